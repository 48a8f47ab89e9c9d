// The account of the walk: what each button needs to have something to do.
import { newId } from '@lockstep/protocol/ids'
import type { Person } from '../../harness/person.ts'
import type { Wire } from '../../harness/wire.ts'
import { fillAccount } from '../app-pages.ts'

export interface WalkSurroundings {
  /** Where the page is. */
  url: string
  person: Person
  /** The line between the page and the node. */
  line: Wire
  /** Every sign-in of the person becomes an hour old. */
  forgetSignIn: () => Promise<unknown>
}

export interface WalkAccount extends WalkSurroundings {
  conversationId: string
  runId: string
  /** An agent of which only drafts are left. */
  goneAgent: string
  /** Conversations by what they are for. */
  chats: Record<
    | 'unanswered'
    | 'interrupted'
    | 'cut'
    | 'imported'
    | 'tools'
    | 'archived'
    | 'trashed'
    | 'long'
    | 'versions'
    | 'renamed'
    | 'drafts'
    | 'corrected'
    | 'busy'
    | 'past'
    | 'often'
    | 'refused'
    | 'deletedMeanwhile',
    string
  >
}

/** The bytes that the account may store. */
export const storageOfWalk = 3 * 1024 ** 2
export const agentOfWalk = '0199aaaa-0000-7000-8000-000000000001'
/** The agent that two devices change. */
export const sharedAgent = '0199aaaa-0000-7000-8000-000000000003'
const chosenAgent = '0199aaaa-0000-7000-8000-000000000002'

/** Fills a new account. */
export async function prepareAccount(surroundings: WalkSurroundings): Promise<WalkAccount> {
  const { person } = surroundings
  const { conversationId, runId } = await fillAccount(person)
  const create = async (title: string, body: object = {}): Promise<string> =>
    (await person.ask('createConversation', { body: { title, ...body } })).id
  const user = (content: string) => ({ role: 'user' as const, content })
  const half = (ending: object) => ({
    role: 'assistant' as const,
    content: 'Half of it',
    ...ending,
  })
  const chats = {
    unanswered: await create('Nobody answered', { messages: [user('/demo fast code silent')] }),
    interrupted: await create('Interrupted', {
      messages: [user('/demo fast code silent'), half({ status: 'interrupted' })],
    }),
    cut: await create('Cut off', {
      messages: [
        user('/demo fast code silent'),
        half({ metadata: { reason: 'The reply hit a limit.', reason_code: 'cut' } }),
      ],
    }),
    imported: await create('From elsewhere', {
      metadata: { not_imported: ['chat_setting'] },
      messages: [
        user('Where from?'),
        half({
          metadata: {
            not_imported: ['voice_note'],
            sources: [{ url: 'https://example.com/source', title: 'An example' }],
          },
        }),
      ],
    }),
    tools: await create('With tools', {
      messages: [
        user('What is the weather?'),
        {
          role: 'assistant',
          parts: [
            {
              ...{ id: 'call', type: 'tool', name: 'weather', call_id: 'c1', state: 'done' },
              arguments: { place: 'Lisbon' },
              result: { sky: 'Not a cloud' },
            },
            { id: 'text', type: 'text', text: 'It is **sunny**.' },
            { id: 'page', type: 'source', url: 'https://example.com/sky', title: 'The sky' },
            { id: 'chart', type: 'data-chart', value: { degrees: [21, 24] } },
          ],
        },
      ],
    }),
    archived: await create('Put away'),
    trashed: await create('Thrown away', { messages: [user('Old words')] }),
    long: await create('A long one', {
      messages: Array.from({ length: 60 }, (_, at) => user(`Line ${at + 1} of many`)),
    }),
    versions: await create('Versions', {
      messages: [user('A question to reword'), half({ metadata: { agent: 'demo' } })],
    }),
    renamed: await create('Named by two', { messages: [user('Whose name?')] }),
    drafts: await create('Drafts of two', { messages: [user('Whose draft?')] }),
    corrected: await create('Corrected by two', { messages: [user('The originl')] }),
    busy: await create('Busy', { messages: [user('Talk to me')] }),
    past: await create('What was', { messages: [user('The first words')] }),
    often: await create('Titles and titles'),
    refused: await create('No room', { messages: [user('Is there room?')] }),
    deletedMeanwhile: await create('Comes and goes', { messages: [user('Still here?')] }),
  }
  const { messages } = await person.ask('getConversation', { params: { id: chats.past } })
  await person.ask('putConversation', {
    params: { id: chats.past },
    body: { messages: [{ ...user('The last words'), id: messages[0]!.id }] },
  })
  await person.ask('putConversation', { params: { id: chats.archived }, body: { archived: true } })
  await person.ask('deleteConversation', { params: { id: chats.trashed } })
  await person.ask('putPreferences', {
    body: {
      agent_settings: {
        [chosenAgent]: { name: 'The chosen one' },
        [sharedAgent]: { name: 'The shared one' },
      },
    },
  })
  const goneAgent = newId()
  const keep = (place: string, text: string) =>
    person.ask('putDraft', { params: { id: newId() }, body: { place, text } })
  await keep(`agent:${goneAgent}`, JSON.stringify({ name: { from: '', to: 'Half made' } }))
  await keep(`run:${goneAgent}`, 'A task')
  return { ...surroundings, conversationId, runId, goneAgent, chats }
}
