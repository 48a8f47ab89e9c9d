// What a user does on the page, and what a user sees there.
import type { Locator, Page } from 'playwright-core'

/** Lockstep's promise: the other devices show a change within this many milliseconds. */
export const SYNC_DEADLINE_MS = 1000

/** Whatever of these a person sees: for a moment, a page may show the old and the new. */
const seen = (locator: Locator): Locator => locator.filter({ visible: true }).first()
/** Waits until one such element is visible; `timeout` is in milliseconds. */
export const waitForVisible = (locator: Locator, timeout = 20_000): Promise<void> =>
  seen(locator).waitFor({ state: 'visible', timeout })
/** Waits until every such element is hidden or gone; `timeout` is in milliseconds. */
export const waitForHidden = (locator: Locator, timeout = 20_000): Promise<void> =>
  seen(locator).waitFor({ state: 'hidden', timeout })

/** Waits until the element has the focus, so that keys reach it. */
export const waitForFocus = (locator: Locator): Promise<void> =>
  waitForVisible(locator.and(locator.page().locator(':focus')))

/** A conversation's link in the list of conversations. */
export const listedConversation = (page: Page, title: string): Locator =>
  page.getByRole('complementary').getByRole('link', { name: title })
/** The first element of the thread with exactly this text. */
export const threadText = (page: Page, text: string): Locator =>
  page.getByRole('region', { name: 'Messages' }).getByText(text, { exact: true }).first()
/** The field for a new message. */
export const composer = (page: Page): Locator => page.getByRole('textbox', { name: 'Message' })

/**
 * Goes to another page of the app in the same document, as a link does. That takes a third of the
 * time of loading a new document.
 */
export const navigateTo = (page: Page, path: string): Promise<void> =>
  page.evaluate((to) => {
    history.pushState(null, '', to)
    dispatchEvent(new PopStateEvent('popstate'))
  }, path)

/** Creates an account on the sign-in page and waits for the page of a new chat. */
export async function signUpAs(page: Page, username: string, password: string): Promise<void> {
  await page.getByRole('link', { name: 'Create an account' }).click()
  await page.getByLabel('Username').fill(username)
  await page.getByLabel('Password').fill(password)
  await page.getByRole('button', { name: 'Sign up' }).click()
  await waitForVisible(composer(page))
}

/** Signs in on the sign-in page and waits for the page of a new chat. */
export async function signInAs(page: Page, username: string, password: string): Promise<void> {
  await page.getByLabel('Username').fill(username)
  await page.getByLabel('Password').fill(password)
  await page.getByRole('button', { name: 'Sign in', exact: true }).click()
  await waitForVisible(composer(page))
}

/** Signs out through the account menu and waits for the sign-in page. */
export async function signOut(page: Page): Promise<void> {
  await page.getByRole('button', { name: /^Account of/ }).click()
  await page.getByRole('menuitem', { name: 'Sign out' }).click()
  await waitForVisible(page.getByRole('heading', { name: 'Welcome back' }))
}

/** Writes a message and sends it. */
export async function sendMessage(page: Page, text: string): Promise<void> {
  await composer(page).fill(text)
  await composer(page).press('Enter')
}

/** Creates a conversation with a first message. Returns its id. */
export async function startConversation(page: Page, text: string): Promise<string> {
  await page.getByRole('link', { name: 'New chat' }).click()
  await sendMessage(page, text)
  await page.waitForURL(/\/app\/c\//)
  return page.url().split('/').at(-1)!
}

/** Chooses an action from a listed conversation's menu. */
export async function chooseAction(page: Page, title: string, action: string): Promise<void> {
  await listedConversation(page, title).hover()
  await page.getByRole('button', { name: `Actions for ${title}` }).click()
  await page.getByRole('menuitem', { name: action }).click()
}

/** Waits until the thread shows a complete reply. */
export const waitForReply = (page: Page): Promise<void> =>
  waitForVisible(page.getByRole('button', { name: 'Regenerate' }).last(), 30_000)

/** Waits until the page has loaded the code that it loads ahead, as for a visit of some seconds. */
export const waitForCodeAhead = (page: Page): Promise<unknown> =>
  page.waitForFunction(() => {
    const loaded = performance.getEntriesByType('resource').map(({ name }) => name)
    const parts = ['Menu', 'Notices', 'QuestionDialog', 'conversation-actions', 'MessageEditor']
    return parts.every((part) => loaded.some((name) => name.includes(`/assets/${part}-`)))
  })
