// Browsers say in their own language why a form can't be sent yet. The page says it in its own, for
// each of its fields.
import { t } from './texts.ts'

type Field = HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement

/** May be called more than once. */
export function explainFields(): void {
  document.addEventListener('invalid', explain, true)
  document.addEventListener('input', forget, true)
}

/** The browser shows the text after this event. */
function explain({ target }: Event): void {
  if (!isField(target)) return
  target.setCustomValidity('')
  const { valueMissing, tooShort } = target.validity
  if (valueMissing) target.setCustomValidity(t('common.fieldMissing'))
  else if (tooShort && 'minLength' in target)
    target.setCustomValidity(t('common.fieldTooShort', { count: target.minLength }))
}

/** A field with a text of ours stays invalid until the text is taken back. */
function forget({ target }: Event): void {
  if (isField(target)) target.setCustomValidity('')
}

const isField = (target: EventTarget | null): target is Field =>
  target instanceof HTMLInputElement ||
  target instanceof HTMLTextAreaElement ||
  target instanceof HTMLSelectElement
