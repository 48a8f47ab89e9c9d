// What can be pressed on the pages beside the chats: history, and settings.
import { composer, navigateTo, waitForVisible } from '../user-actions.ts'
import { at, button, choosing, dialog, heading, said, saving } from './sights.ts'
import type { WalkAccount } from './walk-account.ts'
import type { Scene } from './walk.ts'

export function pageScenes({ person, chats }: WalkAccount): Scene[] {
  return [
    {
      name: 'the history of a chat',
      open: at(`/app/c/${chats.past}/history`, 'Started a chat'),
      rows: [
        {
          control: 'region "History" > button "Started a chat*"',
          like: 'region "History" > button "*"',
          sees: 'The first words',
        },
        {
          control: 'region "This version" > button "Restore title and texts"',
          sees: 'Title and texts restored.',
        },
        {
          control: 'status > button "Undo"',
          before: (page) => waitForVisible(said('The first words')(page)),
          loses: said('The first words'),
        },
        {
          control: 'region "This version" > button "Branch from here"',
          before: async (page) => {
            await at(`/app/c/${chats.past}/history`, 'Started a chat')(page)
            await page.getByRole('button', { name: /^Started a chat/ }).click()
          },
          sees: 'Created “What was (branch)” from this version',
        },
        { control: 'main > link "Back to the chat"', sees: said('The last words') },
      ],
    },
    {
      name: 'a long history',
      open: async (page) => {
        const params = { id: chats.often }
        for (let time = 1; time <= 50; time++)
          await person.ask('putConversation', { params, body: { title: `Title ${time}` } })
        await at(`/app/c/${chats.often}/history`, 'Renamed to “Title 50”')(page)
      },
      rows: [{ control: 'region "History" > button "Show older"', sees: 'Started a chat' }],
    },
    {
      name: 'the developer tools',
      open: at('/app/devtools', 'Record on all your devices'),
      rows: [
        {
          control: 'radiogroup "Record on all your devices" > radio "Off"',
          before: async (page) => {
            await page.getByRole('radio', { name: 'On', exact: true }).click()
            await waitForVisible(page.getByRole('heading', { name: 'Latency' }))
          },
          loses: heading('Latency'),
        },
        {
          control: 'radiogroup "Record on all your devices" > radio "On"',
          sees: heading('Latency'),
        },
        {
          control: 'region "Log" > DisclosureTriangle "updated"',
          like: 'region "Log" > DisclosureTriangle "*"',
          before: async (page) => {
            await page.getByRole('button', { name: 'Clear', exact: true }).click()
            await person.ask('putPreferences', { body: { seen_by: 'a developer' } })
          },
          sees: (page) => page.getByText(/"seen_by":"a developer"/),
        },
        { control: 'region "Developer tools" > button "Pause"', sees: button('Resume') },
        { control: 'region "Developer tools" > button "Resume"', sees: button('Pause') },
        {
          control: 'region "Developer tools" > button "Clear"',
          loses: (page) => page.getByRole('cell', { name: 'updated' }),
        },
      ],
    },
    {
      name: 'an address that leads nowhere',
      open: at('/app/nonsense', 'Page not found'),
      rows: [{ control: 'main > link "Back to chats"', sees: heading(/^Good /) }],
    },
    {
      name: 'the settings',
      open: at('/app/settings', (page) =>
        page.getByRole('heading', { name: 'Language and region' }),
      ),
      rows: [
        { control: 'navigation "Settings" > link "Devices"', sees: 'This device' },
        { control: 'navigation "Settings" > link "Activity"', sees: heading('Activity') },
        { control: 'navigation "Settings" > link "Import and export"', sees: heading('Export') },
        { control: 'navigation "Settings" > link "Account"', sees: heading('Delete account') },
        { control: 'navigation "Settings" > link "Security"', sees: heading('Passkeys') },
        {
          control: 'navigation "Settings" > link "General"',
          before: at('/app/settings/devices', 'This device'),
          sees: heading('Language and region'),
        },
        {
          control: 'radiogroup "Theme" > radio "Dark"',
          sees: (page) => page.locator('html[data-theme="dark"]'),
        },
        {
          control: 'radiogroup "Theme" > radio "Light"',
          sees: (page) => page.locator('html[data-theme="light"]'),
        },
        {
          control: 'radiogroup "Theme" > radio "System"',
          loses: (page) => page.locator('html[data-theme="light"]'),
        },
        {
          control: 'radiogroup "Density" > radio "Compact"',
          sees: (page) => page.locator('html[data-density="compact"]'),
        },
        {
          control: 'radiogroup "Density" > radio "Comfortable"',
          loses: (page) => page.locator('html[data-density="compact"]'),
        },
        {
          control: 'region "General" > combobox "Date and time format"',
          press: choosing('Deutsch'),
          sees: (page) => page.getByText(/^For example, \d+\.\d/),
        },
        {
          control: 'region "General" > combobox "Default agent"',
          press: async (control, page) => {
            await control.selectOption('The chosen one')
            await navigateTo(page, '/app/new')
          },
          sees: button('Agent: The chosen one'),
        },
        {
          control: 'region "General" > combobox "Language"',
          press: async (control, page) => {
            await control.selectOption('العربية')
            await waitForVisible(page.getByRole('heading', { name: 'اللغة' }))
            await page.getByLabel('اللغة', { exact: true }).selectOption('English')
          },
        },
      ],
    },
    {
      name: 'a sign-in elsewhere',
      open: at('/app/new', composer),
      rows: ['Sign it out', 'It was me'].map((answer) => ({
        control: `region "New sign-ins" > button "${answer}"`,
        before: async () => void (await person.signIn()),
        loses: (page) => page.getByRole('region', { name: 'New sign-ins' }).getByRole('button'),
      })),
    },
    {
      name: 'the devices',
      open: at('/app/settings/devices', 'This device'),
      rows: [
        {
          control: 'region "Devices" > button "Sign out *"',
          before: async () => void (await person.signIn()),
          sees: 'was signed out',
        },
        {
          control: 'region "Devices" > button "Sign out all other devices"',
          before: async () => {
            for (let i = 0; i < 2; i++) await person.signIn()
          },
          sees: dialog('Sign out all other devices?'),
        },
        {
          control: 'alertdialog "Sign out all other devices?" > button "Cancel"',
          loses: dialog('Sign out all other devices?'),
        },
        {
          control: 'alertdialog "Sign out all other devices?" > button "Sign out others"',
          before: async (page) => {
            await page.getByRole('button', { name: 'Sign out all other devices' }).click()
            await waitForVisible(page.getByRole('alertdialog'))
          },
          loses: (page) => page.getByRole('button', { name: 'Sign out all other devices' }),
        },
      ],
    },
    {
      name: 'the activity',
      open: at('/app/settings/activity', (page) => page.getByLabel('Show', { exact: true })),
      rows: [
        {
          control: 'region "Activity" > button "Show older"',
          sees: async (page) =>
            (await page.getByRole('region', { name: 'Activity' }).getByRole('listitem').count()) >
            100,
        },
        {
          control: 'region "Activity" > combobox "Show"',
          press: choosing('Account'),
          loses: (page) => page.getByText('Started a chat'),
        },
      ],
    },
    {
      name: 'what an earlier app left in the browser',
      open: async (page) => {
        await page.evaluate(() => localStorage.setItem('ai-chat-conversations', '[]'))
        await at('/app/new', composer)(page)
        await at('/app/settings/data', 'Found in this browser')(page)
      },
      rows: [
        {
          control: 'region "Import and export" > button "Remove from this browser"',
          loses: 'Found in this browser',
        },
      ],
    },
    {
      name: 'import and export',
      open: at('/app/settings/data', (page) =>
        page.getByRole('heading', { name: 'Export', exact: true }),
      ),
      rows: [
        {
          control: 'region "Import and export" > link "Export everything"',
          ...saving(/^lockstep-export\.json$/),
        },
        {
          control: 'region "Import and export" > combobox "Source"',
          press: choosing('Claude'),
          sees: 'In Claude, go to Settings',
        },
        {
          control: 'region "Import and export" > button "Files*"',
          press: (control) => control.setInputFiles(exportFile),
          sees: (page) => page.getByRole('button', { name: 'Preview import', disabled: false }),
        },
        {
          control: 'region "Import and export" > button "Preview import"',
          sees: 'will be created',
        },
        { control: 'region "Import and export" > button "Import now"', sees: heading('Imported') },
        {
          control: 'region "Import and export" > link "Back to chats"',
          loses: heading('Imported'),
        },
      ],
    },
  ]
}

/** What changes or deletes the account comes last. */
export function farewellScenes({ person }: WalkAccount): Scene[] {
  return [
    {
      name: 'the account',
      open: at('/app/settings/account', (page) =>
        page.getByRole('heading', { name: 'Delete account' }),
      ),
      rows: [
        { control: 'region "Account" > link "Export your data first"', sees: heading('Export') },
        {
          control: 'region "Account" > button "Change username"',
          before: (page) => page.getByLabel('Username').first().fill(`${person.user.username}-2`),
          sees: 'Username changed',
        },
        {
          control: 'region "Account" > button "Change password"',
          before: async (page) => {
            await page.getByLabel('Current password').fill(person.password)
            await page.getByLabel('New password').fill('another horse battery staple')
          },
          sees: 'Password changed. Your other devices were signed out.',
        },
        {
          control: 'region "Account" > button "Delete account"',
          before: (page) => page.getByLabel('Your password').fill('another horse battery staple'),
          sees: dialog('Delete your account?'),
        },
        {
          control: 'alertdialog "Delete your account?" > button "Cancel"',
          loses: dialog('Delete your account?'),
        },
        {
          control: 'alertdialog "Delete your account?" > button "Delete everything"',
          before: (page) => page.getByRole('button', { name: 'Delete account' }).click(),
          sees: 'Your account and everything in it has been deleted.',
        },
      ],
    },
  ]
}

const exportFile = {
  name: 'conversations.json',
  mimeType: 'application/json',
  buffer: Buffer.from(
    JSON.stringify([
      {
        id: 'g1',
        title: 'From the export',
        create_time: 1,
        update_time: 2,
        mapping: {
          a: {
            id: 'a',
            parent: null,
            message: {
              author: { role: 'user' },
              content: { content_type: 'text', parts: ['Hello from there'] },
              create_time: 1,
            },
          },
        },
      },
    ]),
  ),
}
