// What a person sees, in the words of the table of buttons.
import type { Locator, Page } from 'playwright-core'
import { navigateTo, waitForVisible } from '../user-actions.ts'
import type { Row, Sight } from './walk.ts'

export const heading =
  (name: string | RegExp): Sight =>
  (page) =>
    page.getByRole('heading', { name })

export const button =
  (name: string | RegExp): Sight =>
  (page) =>
    page.getByRole('button', { name, exact: true })

export const dialog =
  (name: string): Sight =>
  (page) =>
    page.getByRole('alertdialog', { name })

export const menu =
  (name: string): Sight =>
  (page) =>
    page.getByRole('menu', { name })

/** A field with this content. */
export const field =
  (label: string, value: string): Sight =>
  async (page) => {
    const sought = page.getByLabel(label, { exact: true }).first()
    return (await sought.count()) > 0 && (await sought.inputValue()) === value
  }

export const chosen =
  (role: 'radio' | 'switch', name: string): Sight =>
  (page) =>
    page.getByRole(role, { name, checked: true, exact: true })

export const editor = (page: Page): Locator =>
  page.getByRole('textbox', { name: 'Edit the message' })
export const titleField = (page: Page): Locator => page.getByRole('textbox', { name: 'Chat title' })

/** A text in the thread. */
export const said =
  (text: string | RegExp) =>
  (page: Page): Locator =>
    page.getByRole('region', { name: 'Messages' }).getByText(text, { exact: true })

/** A chat in a list of chats. */
export const listed =
  (title: string, group?: string): Sight =>
  (page) =>
    (group === undefined ? page : page.getByRole('region', { name: group })).locator('[data-row]', {
      hasText: title,
    })

/** A file is saved. */
export function saving(name: RegExp): Required<Pick<Row, 'press' | 'sees'>> {
  let saved = ''
  return {
    async press(control, page) {
      const download = page.waitForEvent('download')
      await control.click()
      saved = (await download).suggestedFilename()
    },
    sees: () => Promise.resolve(name.test(saved)),
  }
}

/** The answered question is gone, and the page shows this. */
export const answered =
  (question: string, outcome: (page: Page) => Locator): Sight =>
  async (page) =>
    !(await page.getByRole('alertdialog', { name: question }).isVisible()) &&
    (await outcome(page).first().isVisible())

/** Opens a page of the app and waits for something on it. */
export const at =
  (path: string, ready: string | ((page: Page) => ReturnType<Page['locator']>)) =>
  async (page: Page): Promise<void> => {
    await navigateTo(page, path)
    await waitForVisible(typeof ready === 'string' ? page.getByText(ready).first() : ready(page))
  }

/** Chooses from a `select`. */
export const choosing =
  (label: string) =>
  (control: Locator): Promise<unknown> =>
    control.selectOption(label)
