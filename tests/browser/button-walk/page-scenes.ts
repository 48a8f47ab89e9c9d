// What can be pressed on the pages beside the chats: history, agents, runs and settings.
import type { Page } from 'playwright-core'
import { navigateTo, waitForVisible } from '../user-actions.ts'
import { at, button, chosen, dialog, field, heading, listed, said, saving } from './sights.ts'
import { agentOfWalk, type WalkAccount } from './walk-account.ts'
import type { Scene } from './walk.ts'

const choosing = (label: string) => (control: { selectOption: (to: string) => Promise<unknown> }) =>
  control.selectOption(label)

const cardOf = (page: Page, agent: string) =>
  page.getByRole('listitem').filter({ has: page.getByRole('heading', { name: agent }) })

export function pageScenes({ person, runId, chats }: WalkAccount): Scene[] {
  const agents = at('/app/agents', (page) => page.getByRole('heading', { name: 'Editor' }))
  const runs = at('/app/agents/runs', 'Compare two ways')
  const run = at(`/app/agents/runs/${runId}`, 'Compare two ways')
  const agent = (id: string) =>
    at(`/app/agents/${id}`, (page) => page.getByRole('heading', { name: 'Try it' }))
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
        { control: 'status > button "Undo"', loses: said('The first words') },
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
      name: 'the agents',
      open: agents,
      rows: [
        {
          control: 'region "Agents" > button "Set as default"',
          loses: (page) => cardOf(page, 'Demo').getByText('Default', { exact: true }),
        },
        {
          control: 'region "Agents" > link "Open Editor"',
          like: 'region "Agents" > link "Open *"',
          sees: field('Name', 'Editor'),
        },
        {
          control: 'region "Agents" > link "Editor"',
          like: 'region "Agents" > link "*"',
          sees: field('Name', 'Editor'),
        },
        {
          control: 'navigation "Agents" > link "Run history"',
          sees: (page) => page.getByLabel('Status'),
        },
        { control: 'navigation "Agents" > link "Agents"', sees: button('New agent') },
        { control: 'region "Agents" > button "New agent"', sees: heading('Try it') },
      ],
    },
    {
      name: 'an agent',
      open: agent(agentOfWalk),
      rows: [
        {
          control: 'region "Agent" > switch "Custom temperature"',
          loses: chosen('switch', 'Custom temperature'),
        },
        {
          control: 'region "Agent" > slider "Temperature"',
          before: (page) => page.getByRole('switch', { name: 'Custom temperature' }).click(),
          press: (control) => control.fill('1.3'),
          sees: '1.3',
        },
        {
          control: 'region "Agent" > button "Save"',
          sees: (page) => page.getByText('Saved', { exact: true }),
        },
        {
          control: 'status > button "Use theirs"',
          before: async (page) => {
            await page.getByLabel('Name').fill('Mine')
            const settings = { [agentOfWalk]: { name: 'Theirs' } }
            await person.ask('putPreferences', { body: { agent_settings: settings } })
          },
          sees: field('Name', 'Theirs'),
        },
        { control: 'region "Agent" > button "Delete"', sees: dialog('Delete “Theirs”?') },
        {
          control: 'alertdialog "Delete “*”?" > button "Cancel"',
          loses: dialog('Delete “Theirs”?'),
        },
        {
          control: 'alertdialog "Delete “*”?" > button "Delete"',
          before: async (page) => {
            await page.getByRole('button', { name: 'Delete', exact: true }).click()
            await waitForVisible(page.getByRole('alertdialog'))
          },
          sees: button('New agent'),
        },
      ],
    },
    {
      name: 'an agent that is gone',
      open: at(`/app/agents/${agentOfWalk}`, 'This agent no longer exists'),
      rows: [
        { control: 'region "Agent" > link "All agents"', sees: button('New agent') },
        { control: 'main > link "All agents"', sees: button('New agent') },
      ],
    },
    {
      name: 'an agent of the server',
      open: agent('demo'),
      rows: [
        {
          control: 'region "Agent" > button "Reset"',
          before: async (page) => {
            await page.getByLabel('Name').fill('Renamed demo')
            await page.getByRole('button', { name: 'Save' }).click()
          },
          sees: dialog('Reset “Renamed demo”?'),
        },
        {
          control: 'alertdialog "Reset “*”?" > button "Cancel"',
          loses: dialog('Reset “Renamed demo”?'),
        },
        {
          control: 'alertdialog "Reset “*”?" > button "Reset"',
          before: async (page) => {
            await page.getByRole('button', { name: 'Reset', exact: true }).click()
            await waitForVisible(page.getByRole('alertdialog'))
          },
          sees: field('Name', 'Demo'),
        },
        {
          control: 'region "Agent" > button "Run"',
          before: (page) => page.getByLabel('Task').fill('/demo slow silent'),
          sees: button('Stop'),
        },
        {
          control: 'main > button "Stop"',
          sees: (page) => page.getByText('Stopped', { exact: true }),
        },
      ],
    },
    {
      name: 'the run history',
      open: runs,
      rows: [
        {
          control: 'region "Run history" > combobox "Status"',
          press: choosing('Failed'),
          sees: 'No runs match these filters.',
        },
        {
          control: 'region "Run history" > combobox "Agent"',
          before: async (page) => {
            await page.getByLabel('Status').selectOption('Any status')
            await page.getByLabel('Agent', { exact: true }).selectOption('Editor')
            await waitForVisible(page.getByText('No runs match these filters.'))
          },
          press: choosing('Demo'),
          sees: 'Compare two ways',
        },
        {
          control: 'region "Run history" > link "Compare two ways*"',
          like: 'region "Run history" > link "*"',
          sees: button('Run again'),
        },
      ],
    },
    {
      name: 'a run',
      open: run,
      rows: [
        {
          control: 'main > button "Copy output"',
          like: 'main > button "Cop*"',
          sees: button('Copied'),
        },
        {
          control: 'region "Output" > button "Copy code"',
          like: 'region "Output" > button "Cop*"',
          sees: (page) => page.locator('.code').getByRole('button', { name: 'Copied' }),
        },
        { control: 'main > button "Run again"', sees: button('Stop') },
        { control: 'main > link "All runs"', sees: (page) => page.getByLabel('Status') },
        { control: 'main > button "Delete run"', before: run, sees: dialog('Delete this run?') },
        {
          control: 'alertdialog "Delete this run?" > button "Cancel"',
          loses: dialog('Delete this run?'),
        },
        {
          control: 'alertdialog "Delete this run?" > button "Delete"',
          before: async (page) => {
            await page.getByRole('button', { name: 'Delete run' }).click()
            await waitForVisible(page.getByRole('alertdialog'))
          },
          sees: (page) => page.getByLabel('Status'),
        },
      ],
    },
    {
      name: 'a run that is gone',
      open: at(`/app/agents/runs/${runId}`, 'This run no longer exists'),
      rows: [
        { control: 'region "Run" > link "All runs"', sees: (page) => page.getByLabel('Status') },
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
        {
          control: 'navigation "Settings" > link "Appearance"',
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
          control: 'region "Appearance" > combobox "Date and time format"',
          press: choosing('Deutsch'),
          sees: (page) => page.getByText(/^For example, \d+\.\d/),
        },
        {
          control: 'region "Appearance" > combobox "Default agent"',
          before: async () => {
            const settings = { '0199aaaa-0000-7000-8000-000000000002': { name: 'The chosen one' } }
            await person.ask('putPreferences', { body: { agent_settings: settings } })
          },
          press: async (control, page) => {
            await control.selectOption('The chosen one')
            await navigateTo(page, '/app/new')
          },
          sees: button('Agent: The chosen one'),
        },
        {
          control: 'region "Appearance" > combobox "Language"',
          press: async (control, page) => {
            await control.selectOption('العربية')
            await waitForVisible(page.getByRole('heading', { name: 'اللغة' }))
            await page.getByLabel('اللغة', { exact: true }).selectOption('English')
          },
        },
      ],
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
          control: 'alertdialog "Sign out all other devices?" > button "Sign out"',
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
      open: at('/app/settings/activity', 'Renamed to'),
      rows: [
        {
          control: 'region "Activity" > button "Show older"',
          sees: (page) =>
            page.getByRole('region', { name: 'Activity' }).getByText('Invoice wording'),
        },
        {
          control: 'region "Activity" > combobox "Show"',
          press: choosing('Account'),
          loses: (page) => page.getByText('Renamed to'),
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
