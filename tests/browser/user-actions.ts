// What a person does and sees in a window, in their words.
import type { Locator, Page } from 'playwright-core'

/** The promise of the product: what one device does, the others show within this many milliseconds. */
export const AT_ONCE = 1000

/** Waits until it is shown. */
export const shows = (locator: Locator, timeout = 20_000): Promise<void> =>
  locator.waitFor({ state: 'visible', timeout })
/** Waits until it is not shown any more. */
export const hides = (locator: Locator, timeout = 20_000): Promise<void> =>
  locator.waitFor({ state: 'hidden', timeout })

/** A conversation in the list. */
export const listed = (page: Page, title: string): Locator =>
  page.getByRole('complementary').getByRole('link', { name: title })
/** Text in the thread. */
export const said = (page: Page, text: string): Locator =>
  page.getByRole('region', { name: 'Messages' }).getByText(text, { exact: true }).first()
export const composer = (page: Page): Locator => page.getByRole('textbox', { name: 'Message' })

/** Goes to another page of the app as a link does: in the same document, which costs a third of loading it anew. */
export const follow = (page: Page, path: string): Promise<void> =>
  page.evaluate((to) => {
    history.pushState(null, '', to)
    dispatchEvent(new PopStateEvent('popstate'))
  }, path)

export async function signUpAs(page: Page, username: string, password: string): Promise<void> {
  await page.getByRole('link', { name: 'Create an account' }).click()
  await page.getByLabel('Username').fill(username)
  await page.getByLabel('Password').fill(password)
  await page.getByRole('button', { name: 'Sign up' }).click()
  await shows(composer(page))
}

export async function signInAs(page: Page, username: string, password: string): Promise<void> {
  await page.getByLabel('Username').fill(username)
  await page.getByLabel('Password').fill(password)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await shows(composer(page))
}

export async function signOut(page: Page): Promise<void> {
  await page.getByRole('button', { name: /^Account of/ }).click()
  await page.getByRole('menuitem', { name: 'Sign out' }).click()
  await shows(page.getByRole('heading', { name: 'Welcome back' }))
}

/** Writes and sends. */
export async function say(page: Page, text: string): Promise<void> {
  await composer(page).fill(text)
  await composer(page).press('Enter')
}

/** Begins a conversation; gives its id. */
export async function begin(page: Page, text: string): Promise<string> {
  await page.getByRole('link', { name: 'New chat' }).click()
  await say(page, text)
  await page.waitForURL(/\/app\/c\//)
  return page.url().split('/').at(-1)!
}

/** Chooses in the menu of a conversation of the list. */
export async function choose(page: Page, title: string, deed: string): Promise<void> {
  await listed(page, title).hover()
  await page.getByRole('button', { name: `Actions for ${title}` }).click()
  await page.getByRole('menuitem', { name: deed }).click()
}

/** Waits until a reply is there in full. */
export const replied = (page: Page): Promise<void> =>
  shows(page.getByRole('button', { name: 'Write it again' }).last(), 30_000)
