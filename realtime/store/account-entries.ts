// Queries for the use cases of accounts: an entity's newest entry, and the removal of everything
// that a user has.
import type { Collection } from 'mongodb'
import type { Database } from './database.ts'
import type { ChangeDocument, UserDocument } from './documents.ts'
import type { sealedFields } from './sealing/sealed-fields.ts'
import { forgetOperationsOf } from './operations.ts'
import { eraseDeleted } from './erasure.ts'
import { idsFilter, userFilter } from './shard-key.ts'

/** How many documents one operation deletes, so that each stays within its deadline. */
const BATCH_SIZE = 1_000

/** The newest entry of the topic `account` about a session or the user, of any op or of these. */
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

/** What is removed with an account besides the documents of its topics. */
const others = ['drafts', 'usage', 'replies', 'passkeys'] as const

/**
 * Removes everything of a user except the account's document, the heads and the `closed` entries,
 * which must stay so that nothing can be appended after them. Repeating this removes what a paused
 * node has written meanwhile.
 * @param collections those of all topics
 */
export async function eraseDocuments(
  database: Database,
  user_id: string,
  collections: readonly (keyof typeof sealedFields)[],
): Promise<void> {
  let erased = await erase(database.changes, user_id, { op: { $ne: 'closed' } })
  for (const name of [...collections, ...others]) erased += await erase(database[name], user_id)
  await forgetOperationsOf(database, user_id)
  if (erased > 0) await eraseDeleted(database)
}

type Owned = Collection<{ _id: string; user_id: string }>

async function erase(collection: unknown, user_id: string, also: object = {}): Promise<number> {
  const owned = collection as Owned
  const filter = { ...userFilter(user_id), ...also }
  for (let erased = 0; ;) {
    const found = await owned
      .find(filter)
      .limit(BATCH_SIZE)
      .project<{ _id: string }>({ _id: 1 })
      .toArray()
    if (found.length === 0) return erased
    await owned.deleteMany(idsFilter(found.map(({ _id }) => _id)))
    erased += found.length
  }
}

/**
 * Destroys the key with which the user's content is sealed: no backup can be read any more. Does
 * nothing if content isn't sealed.
 */
export function destroyKey({ sealing }: Database, user_id: string): void {
  sealing?.keys.destroy(user_id)
}

/**
 * Users who exist although their key was destroyed, because a backup from before their deletion was
 * restored.
 */
export async function findRestored({ users, sealing }: Database): Promise<UserDocument[]> {
  const destroyed = sealing?.keys.destroyedUsers() ?? []
  const found: UserDocument[] = []
  for (let from = 0; from < destroyed.length; from += BATCH_SIZE)
    found.push(
      ...(await users.find({ _id: { $in: destroyed.slice(from, from + BATCH_SIZE) } }).toArray()),
    )
  return found
}

/** Users whose account was closed after `since`. */
export async function findClosedSince({ heads }: Database, since: Date): Promise<string[]> {
  const found = await heads
    .find({ closed: true, at: { $gt: since } })
    .project<{ user_id: string }>({ user_id: 1 })
    .toArray()
  return [...new Set(found.map(({ user_id }) => user_id))]
}

/** For a sign-up that fails because another one took the username at the same time. */
export async function deleteHeads({ heads }: Database, user_id: string): Promise<void> {
  await heads.deleteMany({ user_id })
}
