// A snapshot of all content of a user, for tests that expect no change.
import type { Database } from '../../realtime/store/database.ts'
import { eventually } from '../harness/eventually.ts'
import type { Person } from '../harness/person.ts'

/** Everything that the API shows of a user, including the heads that any change would move. */
export async function userSnapshot(person: Person): Promise<unknown> {
  const states = ['active', 'archived', 'trash'] as const
  const [me, preferences, drafts, runs, sessions, ...lists] = await Promise.all([
    person.ask('getMe'),
    person.ask('getPreferences'),
    person.ask('listDrafts'),
    person.ask('listRuns'),
    person.ask('listSessions'),
    ...states.map((state) => person.ask('listConversations', { query: { state } })),
  ])
  const conversations = await Promise.all(
    lists.flatMap(({ items }, i) =>
      items.map(({ id }) =>
        person.ask('getConversation', {
          params: { id },
          query: { state: states[i] === 'trash' ? 'trash' : undefined },
        }),
      ),
    ),
  )
  const seen = sessions.items.map(({ last_seen_at: _at, ...session }) => session)
  return { me, preferences, drafts, runs, sessions: seen, lists, conversations }
}

/** The number of the user's documents per collection. */
export async function countDocumentsOf(
  database: Database,
  user_id: string,
): Promise<Record<string, number>> {
  const { changes, heads, users, sessions, conversations, messages, agent_runs } = database
  const { drafts, records, replies } = database
  const count = async (name: string, counting: Promise<number>) => [name, await counting] as const
  const mine = { user_id }
  return Object.fromEntries(
    await Promise.all([
      count('changes', changes.countDocuments(mine)),
      count('heads', heads.countDocuments(mine)),
      count('users', users.countDocuments({ _id: user_id })),
      count('sessions', sessions.countDocuments(mine)),
      count('conversations', conversations.countDocuments(mine)),
      count('messages', messages.countDocuments(mine)),
      count('agent_runs', agent_runs.countDocuments(mine)),
      count('drafts', drafts.countDocuments(mine)),
      count('records', records.countDocuments(mine)),
      count('replies', replies.countDocuments(mine)),
    ]),
  )
}

/** Stops a run and waits until it has ended. */
export async function stopRun(person: Person, id: string): Promise<void> {
  await person.ask('stopRun', { params: { id } })
  await eventually(async () => (await person.ask('getRun', { params: { id } })).ended_at !== null)
}
