// What can be pressed on the pages of agents and their runs.
import type { Page } from 'playwright-core'
import { composer, waitForVisible } from '../user-actions.ts'
import { at, button, chosen, choosing, dialog, field, heading } from './sights.ts'
import { agentOfWalk, type WalkAccount } from './walk-account.ts'
import type { Scene } from './walk.ts'

const cardOf = (page: Page, agent: string) =>
  page.getByRole('listitem').filter({ has: page.getByRole('heading', { name: agent }) })

export function agentScenes({ person, runId, goneAgent }: WalkAccount): Scene[] {
  const agents = at('/app/agents', (page) => page.getByRole('heading', { name: 'Editor' }))
  const runs = at('/app/agents/runs', 'Compare two ways')
  const run = at(`/app/agents/runs/${runId}`, 'Compare two ways')
  const agent = (id: string) =>
    at(`/app/agents/${id}`, (page) => page.getByRole('heading', { name: 'Try it' }))
  return [
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
        { control: 'region "Agents" > button "New agent"', sees: heading('New agent') },
      ],
    },
    {
      name: 'a new agent',
      open: at('/app/agents/new', (page) => page.getByRole('heading', { name: 'New agent' })),
      rows: [
        {
          control: 'region "Agents" > button "Continue new agent"',
          before: async (page) => {
            await page.getByLabel('Name', { exact: true }).fill('Made here')
            await agents(page)
          },
          sees: field('Name', 'Made here'),
        },
        { control: 'region "Agent" > button "Discard changes"', sees: 'Changes discarded' },
        { control: 'status > button "Undo"', sees: field('Name', 'Made here') },
        { control: 'region "Agent" > button "Save"', sees: heading('Try it') },
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
            await page.getByLabel('Name', { exact: true }).fill('Mine')
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
      open: at(`/app/agents/${goneAgent}`, 'This agent no longer exists'),
      rows: [
        {
          control: 'region "Agent" > button "Use in a new chat"',
          // Beside what is there already.
          sees: async (page) => {
            const message = composer(page)
            return (await message.count()) > 0 && (await message.inputValue()).endsWith('A task')
          },
        },
        {
          control: 'region "Agent" > button "Use in a new agent"',
          sees: field('Name', 'Half made'),
        },
        { control: 'region "Agent" > link "All agents"', sees: heading('Agents') },
        { control: 'main > link "All agents"', sees: heading('Agents') },
      ],
    },
    {
      name: 'an agent of the server',
      open: agent('demo'),
      rows: [
        {
          control: 'region "Agent" > button "Reset"',
          before: async (page) => {
            await page.getByLabel('Name', { exact: true }).fill('Renamed demo')
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
            await page.getByLabel('Agent', { exact: true }).selectOption('The chosen one')
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
      name: 'a long run history',
      open: at('/app/agents/runs', (page) => page.getByLabel('Status')),
      rows: [
        {
          control: 'region "Run history" > button "Show older"',
          before: async (page) => {
            const body = { agent: 'demo', input: '/demo silent fail now' }
            for (let started = 0; started < 51; started++) await person.ask('createRun', { body })
            await page.reload()
          },
          sees: 'Compare two ways',
        },
      ],
    },
  ]
}
