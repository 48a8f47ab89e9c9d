// Moves the focus among the items of a list with the arrow keys, Home and End. Only one item of
// such a list is in the order of Tab, so that Tab leaves the list with one press.

const steps: Readonly<Record<string, number>> = {
  ArrowDown: 1,
  ArrowUp: -1,
  Home: -Infinity,
  End: Infinity,
}

const isTextField = (target: EventTarget | null): boolean =>
  target instanceof HTMLInputElement || target instanceof HTMLTextAreaElement

/**
 * Handles a key that was pressed within the list.
 * @param items finds the items; each is focusable, or contains what is
 */
export function moveByArrowKeys(event: KeyboardEvent, items: string): void {
  const { key, currentTarget: list, target } = event
  const step = steps[key]
  const isPlain = !event.ctrlKey && !event.metaKey && !event.altKey && !event.shiftKey
  if (step === undefined || !isPlain || isTextField(target)) return
  if (!(list instanceof HTMLElement) || !(target instanceof Element)) return
  const all = [...list.querySelectorAll<HTMLElement>(items)]
  const at = all.findIndex((item) => item.contains(target) || item.parentElement?.contains(target))
  if (at < 0) return
  event.preventDefault()
  all[Math.min(Math.max(at + step, 0), all.length - 1)]?.focus()
}
