// All pages of the app, and an account that has something to show on each of them. The screenshots
// and the tests of every page use them.
import type { Locator, Page } from 'playwright-core'
import { newId } from '@lockstep/protocol/ids'
import type { Person } from '../harness/person.ts'

export interface AppPage {
  /** The name of the page's screenshots. */
  name: string
  path: string
  /** An element that is visible once the page is ready. The preceding page does not show it. */
  ready: (page: Page) => Locator
}

const minute = 60_000
const minutesAgo = (minutes: number): string =>
  new Date(Date.now() - minutes * minute).toISOString()

const gardenReply = `Start with what the bed already tells you. **Three things** decide most of it:

1. how many hours of sun it gets
2. how long water stands after rain
3. what survived last winter

| Plant | Sow | Needs |
|---|---|---|
| Broad beans | now | cold, patience |
| Spinach | in two weeks | even moisture |
| Tomatoes | indoors | light, light, light |

A small sowing calendar:

\`\`\`ts
const due = (weeks: number, lastFrost: Date): Date =>
  new Date(lastFrost.getTime() - weeks * 7 * 24 * 60 * 60 * 1000)

const tomatoes = due(7, new Date('2026-05-12'))
\`\`\`

> Sow a little every two weeks rather than everything at once.`

/** Gives an account something to show on every page. Returns the ids that `appPages` takes. */
export async function fillAccount(
  person: Person,
): Promise<{ conversationId: string; runId: string }> {
  const chats: [string, string, string][] = [
    [
      'Invoice wording',
      'Is “due upon receipt” too harsh?',
      'A little. “Payable within 14 days” is firm and friendly.',
    ],
    [
      'Regex for dates',
      'Match ISO dates only',
      'Use `^\\d{4}-\\d{2}-\\d{2}$`, then let the parser decide.',
    ],
    [
      'Trip to the coast',
      'Two days, no car',
      'Take the early train and walk the cliff path first.',
    ],
  ]
  for (const [title, question, reply] of chats) {
    const messages = [
      { role: 'user' as const, content: question },
      { role: 'assistant' as const, content: reply },
    ]
    await person.ask('createConversation', { body: { title, messages } })
  }
  const pinned = await person.ask('createConversation', {
    body: {
      title: 'Reading list',
      messages: [{ role: 'user', content: 'Books on distributed systems, please' }],
    },
  })
  await person.ask('putConversation', { params: { id: pinned.id }, body: { pinned: true } })
  const question = newId()
  const garden = await person.ask('createConversation', {
    body: {
      title: 'The garden in spring',
      messages: [
        { role: 'user', content: 'What should I plant first?', created_at: minutesAgo(26 * 60) },
        {
          role: 'assistant',
          content: 'Tell me about the bed: sun, soil, size?',
          created_at: minutesAgo(26 * 60 - 1),
        },
        {
          id: question,
          role: 'user',
          content: 'Half a day of sun, heavy soil, four square metres.',
          created_at: minutesAgo(9),
        },
        {
          role: 'assistant',
          content: gardenReply,
          created_at: minutesAgo(8),
          metadata: {
            agent: 'demo',
            thinking_ms: 2400,
            thinking: 'Heavy soil drains slowly, so nothing that rots early.',
          },
        },
      ],
    },
  })
  await person.ask('putPreferences', {
    body: {
      developer_tools: true,
      agent_settings: {
        '0199aaaa-0000-7000-8000-000000000001': {
          name: 'Editor',
          description: 'Shortens texts without losing what they say',
          instructions: 'Cut every sentence that the reader would not miss.',
          temperature: 0.3,
        },
      },
    },
  })
  const run = await person.ask('createRun', {
    body: { agent: 'demo', input: 'Compare two ways to store a session' },
  })
  return { conversationId: garden.id, runId: run.id }
}

/**
 * Every page for a signed-in user. The ids are those that `fillAccount` returns. `say` gives the
 * page's words in the language that it is shown in.
 */
export function appPages(
  ids: { conversationId: string; runId: string },
  say = (text: string): string => text,
): AppPage[] {
  const named = (name: string) => (page: Page) => page.getByRole('heading', { name }).first()
  const heading = (text: string) => named(say(text))
  return [
    {
      name: 'chats',
      path: '/app',
      ready: (page) => page.getByRole('link', { name: /The garden in spring/ }),
    },
    {
      name: 'new-chat',
      path: '/app/new',
      ready: (page) => page.getByRole('textbox', { name: say('Message') }),
    },
    {
      name: 'thread',
      path: `/app/c/${ids.conversationId}`,
      ready: (page) => page.getByText('Sow a little every two weeks').first(),
    },
    {
      name: 'history',
      path: `/app/c/${ids.conversationId}/history`,
      ready: (page) => page.getByRole('button', { name: say('Started a chat') }),
    },
    { name: 'agents', path: '/app/agents', ready: named('Editor') },
    {
      name: 'runs',
      path: '/app/agents/runs',
      ready: (page) => page.getByText('Compare two ways').first(),
    },
    {
      name: 'agent',
      path: '/app/agents/0199aaaa-0000-7000-8000-000000000001',
      ready: heading('Try it'),
    },
    {
      name: 'run',
      path: `/app/agents/runs/${ids.runId}`,
      ready: (page) => page.getByText('Compare two ways').first(),
    },
    { name: 'devtools', path: '/app/devtools', ready: heading('Latency') },
    { name: 'settings', path: '/app/settings', ready: heading('Settings') },
    { name: 'appearance', path: '/app/settings/appearance', ready: heading('Language and region') },
    {
      name: 'devices',
      path: '/app/settings/devices',
      ready: (page) => page.getByText(say('This device')),
    },
    { name: 'activity', path: '/app/settings/activity', ready: heading('Activity') },
    { name: 'data', path: '/app/settings/data', ready: heading('Export') },
    { name: 'security', path: '/app/settings/security', ready: heading('Passkeys') },
    { name: 'account', path: '/app/settings/account', ready: heading('Delete account') },
  ]
}
