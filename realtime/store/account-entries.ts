// What the account's use cases ask of the log beyond appending: the newest entry of an entity, and the removal of a whole user.
import type { Collection } from 'mongodb'
import type { ChangeDocument } from './changes.ts'
import type { Database } from './database.ts'
import { idsFilter, userFilter } from './shard-key.ts'

/** Ids deleted at once: a deletion of any size stays within an operation's deadline. */
const BATCH = 1_000

/** The newest entry of topic `account` about a session or the user, one of these ops if told. */
export const findLastAccountEntry = (
  { changes }: Database,
  user_id: string,
  entity_id: string,
  ops?: readonly string[],
): Promise<ChangeDocument | null> =>
  changes.findOne(
    { user_id, topic: 'account', entity_id, ...(ops && { op: { $in: [...ops] } }) },
    { sort: { seq: -1 } },
  )

/**
 * Removes everything of a user but the account's document, the heads, and the entries that close the topics: those must stay, as nothing
 * can be appended behind them. Repeating it removes what a node that had stalled wrote back.
 */
export async function eraseContent(database: Database, user_id: string): Promise<void> {
  await erase(database.changes, user_id, { op: { $ne: 'closed' } })
  for (const collection of [
    database.conversations,
    database.messages,
    database.agent_runs,
    database.replies,
  ])
    await erase(collection as unknown as Owned, user_id)
}

type Owned = Collection<{ _id: string; user_id: string }>

async function erase(collection: unknown, user_id: string, also: object = {}): Promise<void> {
  const owned = collection as Owned
  const filter = { ...userFilter(user_id), ...also }
  for (;;) {
    const found = await owned
      .find(filter)
      .limit(BATCH)
      .project<{ _id: string }>({ _id: 1 })
      .toArray()
    if (found.length === 0) return
    await owned.deleteMany(idsFilter(found.map(({ _id }) => _id)))
  }
}

/** Users whose account was closed after `since`. */
export async function findClosedSince({ heads }: Database, since: Date): Promise<string[]> {
  const found = await heads
    .find({ closed: true, at: { $gt: since } })
    .project<{ user_id: string }>({ user_id: 1 })
    .toArray()
  return [...new Set(found.map(({ user_id }) => user_id))]
}

/** For a sign-up that lost the race for its name. */
export async function deleteHeads({ heads }: Database, user_id: string): Promise<void> {
  await heads.deleteMany({ user_id })
}
