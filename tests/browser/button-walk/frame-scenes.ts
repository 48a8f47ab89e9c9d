// What can be pressed around every page: the sidebar with its lists and menus, what is left of it
// when it is hidden, and the palette.
import type { Page } from 'playwright-core'
import { waitForVisible } from '../user-actions.ts'
import { at, heading, listed, menu } from './sights.ts'
import type { WalkAccount } from './walk-account.ts'
import type { Row, Scene } from './walk.ts'

const greeting = heading(/^Good /)
const start = at('/app', (page) => page.getByRole('heading', { name: /^Good / }))
const palette = (page: Page) => page.getByRole('dialog', { name: 'Search and commands' })
const theme = (name: string) => (page: Page) => page.locator(`html[data-theme="${name}"]`)
const isDevicesPage = heading('Devices')

const openMenuOf = (name: string | RegExp) => async (page: Page) => {
  if (!(await page.getByRole('menu').isVisible()))
    await page.getByRole('button', { name, exact: true }).click()
}
const accountMenu = openMenuOf(/^Account of/)

/** Finds a command by its name and runs it with the keyboard. */
const command = (name: string, sight: Pick<Row, 'sees' | 'loses'>): Row => ({
  control: `listbox "Results" > option "${name}*"`,
  before: async (page) => {
    if (!(await palette(page).isVisible())) await page.keyboard.press('Control+k')
    await page.getByRole('combobox', { name: 'Search chats and commands' }).fill(name)
  },
  press: async (control, page) => {
    await waitForVisible(control.and(page.locator('[aria-selected="true"]')))
    await page.keyboard.press('Enter')
  },
  ...sight,
})

const newChat = command('New chat', { sees: greeting })

export function frameScenes({ person }: WalkAccount): Scene[] {
  return [
    {
      name: 'the sidebar',
      open: start,
      rows: [
        {
          control: 'link "Skip to content"',
          press: async (control, page) => {
            await control.focus()
            await page.keyboard.press('Enter')
          },
          sees: (page) => page.locator('main:focus'),
        },
        { control: 'complementary "Conversations" > link "Agents"', sees: heading('Agents') },
        { control: 'complementary "Conversations" > link "Lockstep, home"', sees: greeting },
        {
          control: 'complementary "Conversations" > link "New chat"',
          before: at('/app/agents', 'New agent'),
          sees: greeting,
        },
        {
          control: 'complementary "Conversations" > searchbox "Search titles and messages"',
          press: (control) => control.fill('cliff'),
          sees: (page) => page.locator('mark', { hasText: 'cliff' }),
        },
        {
          control: 'region "Search results" > button "Actions for Trip to the coast"',
          like: 'region "Search results" > button "Actions for *"',
          sees: menu('Trip to the coast'),
        },
        {
          control: 'region "Search results" > link "Trip to the coast*"',
          like: 'region "Search results" > link "*"',
          before: (page) => page.keyboard.press('Escape'),
          sees: heading('Trip to the coast'),
        },
        {
          control: 'complementary "Conversations" > button "Clear search"',
          loses: (page) => page.locator('mark', { hasText: 'cliff' }),
        },
        { control: 'complementary "Conversations" > button "Commands*"', sees: palette },
        {
          control: 'dialog "Search and commands" > combobox "Search chats and commands"',
          press: (control) => control.fill('cliff'),
          sees: (page) => palette(page).locator('mark', { hasText: 'cliff' }),
        },
        {
          control: 'region "Today" > button "Actions for Regex for dates"',
          before: (page) => page.keyboard.press('Escape'),
          like: 'region "*" > button "Actions for *"',
          sees: menu('Regex for dates'),
        },
        {
          control: 'region "Today" > link "Regex for dates*"',
          like: 'region "Today" > link "*"',
          before: (page) => page.keyboard.press('Escape'),
          sees: heading('Regex for dates'),
        },
        {
          control: 'region "Pinned" > link "Reading list*"',
          like: 'region "Pinned" > link "*"',
          sees: heading('Reading list'),
        },
      ],
    },
    {
      name: 'the lists of chats',
      open: start,
      rows: [
        {
          control: 'complementary "Conversations" > button "Chats"',
          sees: menu('Show chats, archive, or trash'),
        },
        {
          control: 'menu "Show chats, archive, or trash" > menuitemradio "Archive"',
          before: openMenuOf('Chats'),
          sees: listed('Put away'),
        },
        {
          control: 'complementary "Conversations" > button "Archive"',
          sees: menu('Show chats, archive, or trash'),
        },
        {
          control: 'menu "Show chats, archive, or trash" > menuitemradio "Trash"',
          sees: listed('Thrown away'),
        },
        {
          control: 'complementary "Conversations" > button "Trash"',
          sees: menu('Show chats, archive, or trash'),
        },
        {
          control: 'menu "Show chats, archive, or trash" > menuitemradio "Chats"',
          sees: listed('Reading list'),
        },
        {
          control: 'menu "*" > menuitem "Unarchive"',
          before: async (page) => {
            await openMenuOf('Chats')(page)
            await page.getByRole('menuitemradio', { name: 'Archive' }).click()
            await openMenuOf('Actions for Put away')(page)
          },
          sees: 'Moved to chats',
        },
        { control: 'status > button "Undo"', sees: listed('Put away') },
        {
          control: 'menu "*" > menuitemradio "Chats"',
          before: openMenuOf('Archive'),
          sees: listed('Reading list'),
        },
        {
          control: 'menu "Show chats, archive, or trash" > menuitem "Mark all as read"',
          before: async (page) => {
            const messages = [{ role: 'assistant' as const, content: 'Somebody else wrote' }]
            await person.ask('createConversation', { body: { title: 'News', messages } })
            await waitForVisible(page.getByText('Unread.'))
            await openMenuOf('Chats')(page)
          },
          loses: (page) => page.locator('[data-row] .dot'),
        },
      ],
    },
    {
      name: 'the account’s menu',
      open: start,
      rows: [
        { control: 'complementary "Conversations" > button "Account of *"', sees: menu('Account') },
        { control: 'menu "Account" > menuitemradio "Dark theme"', sees: theme('dark') },
        {
          control: 'menu "Account" > menuitemradio "Light theme"',
          before: accountMenu,
          sees: theme('light'),
        },
        {
          control: 'menu "Account" > menuitemradio "System theme"',
          before: accountMenu,
          loses: theme('light'),
        },
        {
          control: 'menu "Account" > menuitem "Settings"',
          before: accountMenu,
          sees: heading('Settings'),
        },
        {
          control: 'menu "Account" > menuitem "Devices"',
          before: accountMenu,
          sees: isDevicesPage,
        },
      ],
    },
    {
      name: 'the hidden sidebar',
      open: start,
      rows: [
        {
          control: 'complementary "Conversations" > button "Hide sidebar"',
          loses: listed('Reading list'),
        },
        { control: 'navigation "Main" > link "Agents"', sees: heading('Agents') },
        { control: 'navigation "Main" > link "New chat"', sees: greeting },
        { control: 'navigation "Main" > link "Settings"', sees: heading('Settings') },
        { control: 'navigation "Main" > button "Search"', sees: palette },
        {
          control: 'navigation "Main" > button "Show sidebar"',
          before: (page) => page.keyboard.press('Escape'),
          sees: listed('Reading list'),
        },
      ],
    },
    {
      name: 'the palette',
      open: start,
      rows: [
        command('Agents', { sees: heading('Agents') }),
        {
          ...newChat,
          before: async (page) => {
            await at('/app/agents', 'New agent')(page)
            await newChat.before?.(page)
          },
        },
        command('Run history', { sees: (page) => page.getByLabel('Status') }),
        command('Settings', { sees: heading('Settings') }),
        command('Devices', { sees: isDevicesPage }),
        command('Activity', { sees: heading('Activity') }),
        command('Import and export', { sees: heading('Export') }),
        command('Developer tools', { sees: heading('Developer tools') }),
        command('Dark theme', { sees: theme('dark') }),
        command('Light theme', { sees: theme('light') }),
        command('System theme', { loses: theme('light') }),
        command('The garden in spring', { sees: heading('The garden in spring') }),
      ],
    },
  ]
}

/** What a phone has in place of the sidebar, and the ways back that only a phone needs. */
export function phoneScenes({ conversationId }: WalkAccount): Scene[] {
  const list = at('/app', (page) => page.getByRole('searchbox'))
  const back = { control: 'main > link "Back to chats"', sees: listed('Reading list') }
  return [
    {
      name: 'the tabs of a phone',
      open: list,
      rows: [
        { control: 'navigation "Main" > link "Agents"', sees: heading('Agents') },
        { control: 'navigation "Main" > link "Settings"', sees: heading('Settings') },
        { control: 'navigation "Main" > link "Chats"', sees: listed('Reading list') },
      ],
    },
    {
      name: 'the list of a phone',
      open: list,
      rows: [
        {
          control: 'main > searchbox "Search titles and messages"',
          press: (control) => control.fill('cliff'),
          sees: (page) => page.locator('mark', { hasText: 'cliff' }),
        },
        {
          control: 'main > button "Clear search"',
          loses: (page) => page.locator('mark', { hasText: 'cliff' }),
        },
        { control: 'main > button "Chats"', sees: menu('Show chats, archive, or trash') },
        {
          control: 'menu "Show chats, archive, or trash" > menuitemradio "Trash"',
          loses: listed('Reading list'),
        },
        { control: 'main > button "Trash"', sees: menu('Show chats, archive, or trash') },
        {
          control: 'menu "Show chats, archive, or trash" > menuitemradio "Archive"',
          loses: menu('Show chats, archive, or trash'),
        },
        { control: 'main > button "Archive"', sees: menu('Show chats, archive, or trash') },
        {
          control: 'menu "Show chats, archive, or trash" > menuitemradio "Chats"',
          sees: listed('Reading list'),
        },
        { control: 'main > link "New chat"', sees: greeting },
        back,
      ],
    },
    {
      name: 'the palette on a phone with a keyboard',
      open: async (page) => {
        await list(page)
        await page.keyboard.press('Control+k')
        await waitForVisible(palette(page))
      },
      rows: [{ control: 'dialog "Search and commands" > button "Close"', loses: palette }],
    },
    {
      name: 'a chat on a phone',
      open: at(`/app/c/${conversationId}`, 'Sow a little every two weeks'),
      rows: [back],
    },
    {
      name: 'the settings of a phone',
      open: at('/app/settings', (page) => page.getByRole('link', { name: 'Devices' })),
      rows: [
        { control: 'navigation "Settings" > link "Devices"', sees: 'This device' },
        { control: 'main > link "All settings"', loses: 'This device' },
        {
          control: 'navigation "Settings" > button "Sign out"',
          sees: 'You’re signed out. Nothing of yours is left in this browser.',
        },
      ],
    },
  ]
}
