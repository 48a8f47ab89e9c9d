// The focus never falls out of the page. When the focused element disappears or can no longer have
// the focus, the nearest element that can gets the focus. A reader who clicks beside everything
// takes the focus away on purpose; that stays as it is.

const tabbable =
  'a[href]:not([tabindex="-1"]), button:not(:disabled, [tabindex="-1"]), textarea, input, [tabindex="0"]'

const isLost = (): boolean =>
  document.activeElement === null || document.activeElement === document.body

const canHaveFocus = (element: HTMLElement): boolean =>
  element.isConnected && !element.matches(':disabled') && element.checkVisibility()

/**
 * What is nearest to a place in the page that still exists. The place is after the node `before`:
 * what now stands there, or else what comes before it.
 */
function nearest(ancestors: readonly HTMLElement[], before?: Node | null): HTMLElement | undefined {
  for (const ancestor of ancestors) {
    if (!ancestor.isConnected || ancestor === document.body) continue
    if (ancestor.matches('[tabindex]')) return ancestor
    const inside = [...ancestor.querySelectorAll<HTMLElement>(tabbable)].filter(canHaveFocus)
    if (inside.length === 0) continue
    return before && ancestor.contains(before)
      ? (inside.find((element) => follows(element, before)) ?? inside.at(-1))
      : inside[0]
  }
  return undefined
}

const follows = (element: HTMLElement, before: Node): boolean =>
  !before.contains(element) &&
  (before.compareDocumentPosition(element) & Node.DOCUMENT_POSITION_FOLLOWING) !== 0

let isGuarded = false

/** Starts the guard, which lives as long as the document. Further calls do nothing. */
export function guardFocus(): void {
  if (isGuarded) return
  isGuarded = true
  /** The focused element and what it is in, innermost first. */
  let path: HTMLElement[] = []
  const remember = ({ target }: { target: EventTarget | null }): void => {
    path = []
    for (let at = target; at instanceof HTMLElement; at = at.parentElement) path.push(at)
  }
  remember({ target: document.activeElement })
  const forget = (): void => {
    path = []
  }
  const check = (changes: readonly MutationRecord[]): void => {
    const [focused, ...ancestors] = path
    if (!isLost() || !focused || canHaveFocus(focused)) return
    const removal = changes.find(({ removedNodes }) =>
      path.some((element) => [...removedNodes].includes(element)),
    )
    path = []
    const before = removal ? removal.previousSibling : focused
    nearest(ancestors, before)?.focus({ preventScroll: true })
  }
  const observer = new MutationObserver(check)
  const attributeFilter = ['disabled', 'hidden']
  observer.observe(document.body, {
    childList: true,
    subtree: true,
    attributes: true,
    attributeFilter,
  })
  document.addEventListener('focusin', remember)
  document.addEventListener('pointerdown', forget)
}
