// What a person's hands do on a page, as a script of the page: typing, deleting and pressing, each
// in one turn of the event loop, so that it is known which text a field had at that moment.
import type { Page } from 'playwright-core'

export interface Typed {
  /** The accessible name of the field. */
  field: string
  /** Whether the field has taken the text; a field that is full hasn't. */
  isTaken: boolean
}
export interface Pressed {
  button: string
  /** The texts that the person has before them where the button is. */
  texts: string
}

export interface Hands {
  type(pick: number, text: string): Typed | undefined
  /** Deletes the whole text of a field. */
  clear(pick: number): { field: string; deleted: string } | undefined
  /** Presses one of the buttons with these names. `within` says where to look. */
  press(names: readonly string[], pick: number, within?: string): Pressed | undefined
  /** Ends the renaming of a chat. */
  endTitle(key: 'Enter' | 'Escape'): string | undefined
  isAsked(): boolean
}

/** Runs in the page, before its own scripts. */
export function giveHands(): void {
  const isVisible = (element: Element): boolean => element.checkVisibility()
  const pickFrom = <T>(list: T[], pick: number): T | undefined =>
    list[Math.min(list.length - 1, Math.floor(pick * list.length))]
  const fields = () =>
    [
      ...document.querySelectorAll<HTMLTextAreaElement | HTMLInputElement>(
        'textarea, input:not([type])',
      ),
    ].filter(isVisible)
  const nameOf = (element: HTMLElement): string =>
    element.getAttribute('aria-label') ??
    (element instanceof HTMLTextAreaElement || element instanceof HTMLInputElement
      ? (element.labels?.[0]?.textContent ?? '')
      : (element.textContent ?? '')
    ).trim()
  const textsIn = (place: Element): string =>
    [
      place.textContent,
      ...[...place.querySelectorAll<HTMLInputElement>('textarea, input')].map(({ value }) => value),
    ].join('\n')
  const isDisabled = (element: HTMLButtonElement): boolean =>
    element.disabled || element.getAttribute('aria-disabled') === 'true'

  const hands: Hands = {
    type(pick, text) {
      const field = pickFrom(fields(), pick)
      if (!field) return undefined
      field.focus()
      field.setSelectionRange(field.value.length, field.value.length)
      document.execCommand('insertText', false, text)
      return { field: nameOf(field), isTaken: field.value.includes(text) }
    },
    clear(pick) {
      const field = pickFrom(fields(), pick)
      if (!field) return undefined
      field.focus()
      const deleted = field.value
      field.select()
      document.execCommand('delete')
      return { field: nameOf(field), deleted }
    },
    press(names, pick, within = 'body') {
      const buttons = [...document.querySelectorAll(within)].flatMap((place) =>
        [...place.querySelectorAll('button')].filter(
          (button) => names.includes(nameOf(button)) && isVisible(button) && !isDisabled(button),
        ),
      )
      const button = pickFrom(buttons, pick)
      if (!button) return undefined
      const place = button.closest('section, form, .editor, [role="alertdialog"]') ?? button
      const texts = textsIn(place)
      button.click()
      return { button: nameOf(button), texts }
    },
    endTitle(key) {
      const field = fields().find((each) => nameOf(each) === 'Chat title')
      if (!field) return undefined
      const { value } = field
      field.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true }))
      return value
    },
    isAsked: () => document.querySelector('[role="alertdialog"]') !== null,
  }
  Object.assign(window, { hands })
}

/**
 * Lets the hands do something, also if the page is just being replaced by another one. `act` runs
 * in the page.
 */
export async function use<Given, Result>(
  page: Page,
  given: Given,
  act: (hands: Hands, given: Given) => Result,
): Promise<Result | undefined> {
  try {
    return await page.evaluate<Result>(`(${String(act)})(hands, ${JSON.stringify(given)})`)
  } catch (error) {
    if (/context was destroyed|closed|navigat/i.test(String(error))) return undefined
    throw error
  }
}
