// What can be pressed before somebody is signed in, and the ways to sign out.
import type { Page } from 'playwright-core'
import { waitForVisible } from '../user-actions.ts'
import { at, button, heading } from './sights.ts'
import type { WalkAccount } from './walk-account.ts'
import type { Scene } from './walk.ts'

const greeting = heading(/^Good /)
const farewell = 'You’re signed out. Nothing of yours is left in this browser.'

export async function openSignInPage(page: Page, url: string): Promise<void> {
  // Somebody who is signed in is led to the chats, so the page is left first. A page of another
  // origin would get another process.
  await page.goto(`${url}/healthz`)
  await page.context().clearCookies()
  await page.goto(`${url}/app/sign-in`)
  await waitForVisible(page.getByRole('heading', { name: 'Welcome back' }))
}

export function signInScenes({ url, person: { user, password } }: WalkAccount): Scene[] {
  const signInPage = (page: Page) => openSignInPage(page, url)
  const fill = async (page: Page, username: string): Promise<void> => {
    await page.getByLabel('Username').fill(username)
    await page.getByLabel('Password').fill(password)
  }
  /** The start page of somebody who is signed in. */
  const start = async (page: Page): Promise<void> => {
    await page.goto(`${url}/app`)
    const signIn = page.getByRole('button', { name: 'Sign in', exact: true })
    const chats = page.getByRole('heading', { name: /^Good / })
    await waitForVisible(signIn.or(chats))
    if (await chats.isVisible()) return
    await fill(page, user.username)
    await signIn.click()
    await waitForVisible(chats)
  }
  return [
    {
      name: 'the sign-in page',
      open: signInPage,
      rows: [
        { control: 'main > link "Create an account"', sees: heading('Create your account') },
        { control: 'main > link "Sign in"', sees: heading('Welcome back') },
        {
          control: 'main > button "Sign up"',
          before: async (page) => {
            await page.getByRole('link', { name: 'Create an account' }).click()
            await fill(page, `${user.username}-too`)
          },
          sees: greeting,
        },
        {
          control: 'main > button "Sign in"',
          before: async (page) => {
            await signInPage(page)
            await fill(page, user.username)
          },
          sees: greeting,
        },
      ],
    },
    {
      name: 'an address outside of the app',
      open: async (page) => {
        await signInPage(page)
        await page.goto(`${url}/nonsense`)
      },
      rows: [{ control: 'main > link "Back to chats"', sees: button('Sign in') }],
    },
    {
      name: 'the ways out',
      open: start,
      rows: [
        {
          control: 'menu "Account" > menuitem "Sign out"',
          before: (page) => page.getByRole('button', { name: /^Account of/ }).click(),
          sees: farewell,
        },
        {
          control: 'listbox "Results" > option "Sign out"',
          like: 'listbox "Results" > option "*"',
          before: async (page) => {
            await start(page)
            await page.keyboard.press('Control+k')
            await page.getByRole('combobox', { name: 'Search chats and commands' }).fill('Sign out')
          },
          sees: farewell,
        },
        {
          control: 'region "Devices" > button "Sign out"',
          before: async (page) => {
            await start(page)
            await at('/app/settings/devices', 'This device')(page)
          },
          sees: farewell,
        },
      ],
    },
  ]
}
