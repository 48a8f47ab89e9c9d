// Copies text to the clipboard, also on pages served over plain http, where the clipboard API is
// missing.
import { t } from '../../texts.ts'

/** Resolves with true if the text is in the clipboard. */
export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text)
    return true
  } catch {
    return copyBySelection(text)
  }
}

function copyBySelection(text: string): boolean {
  const focused = document.activeElement
  const area = document.createElement('textarea')
  area.value = text
  area.className = 'visually-hidden'
  document.body.append(area)
  area.select()
  const copied = document.execCommand('copy')
  area.remove()
  if (focused instanceof HTMLElement) focused.focus()
  return copied
}

/** A copy button shows the outcome for this long. */
const outcomeMs = 1600

/** Handles a click on the copy button of a rendered code block; ignores any other click. */
export async function copyCodeOnClick(event: MouseEvent): Promise<void> {
  const button = event.target instanceof Element ? event.target.closest('button[data-copy]') : null
  const code = button?.closest('.code')?.querySelector('code')
  if (!button || !code) return
  const show = (text: string, name: string): void => {
    button.textContent = text
    button.ariaLabel = name
  }
  const outcome = (await copyText(code.textContent)) ? t('code.copied') : t('code.copyFailed')
  show(outcome, outcome)
  setTimeout(() => show(t('code.copy'), t('code.copyLabel')), outcomeMs)
}
