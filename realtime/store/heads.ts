import { topics } from '@lockstep/protocol/topics'
import { topicKey } from './changes.ts'
import type { Database } from './database.ts'
import type { HeadDocument } from './documents.ts'
import { idsFilter, idFilter } from './shard-key.ts'

/** Creates the heads of a new user, all with the same epoch. Repeating this changes nothing. */
export async function createHeads(
  { heads }: Database,
  user_id: string,
  topics: readonly string[],
  epoch: string,
): Promise<void> {
  await heads.bulkWrite(
    topics.map((topic) => ({
      updateOne: {
        filter: idFilter(topicKey(user_id, topic)),
        update: { $setOnInsert: { applied: 0, epoch, at: new Date(0) } },
        upsert: true,
      },
    })),
    { ordered: false },
  )
}

/**
 * Gives these users the heads of the topics that came after them. A user without any head doesn't
 * exist; one whose logs are closed gets none, because nothing may be appended any more.
 */
export async function createMissingHeads(
  database: Database,
  user_ids: readonly string[],
  topics: readonly string[],
): Promise<void> {
  const found = await database.heads.find({ user_id: { $in: [...user_ids] } }).toArray()
  for (const [user_id, heads] of Map.groupBy(found, ({ user_id }) => user_id)) {
    const isClosed = heads.some(({ closed }) => closed)
    if (!isClosed && heads.length < topics.length)
      await createHeads(database, user_id, topics, heads[0]!.epoch)
  }
}

export const readHead = ({ heads }: Database, key: string): Promise<HeadDocument | null> =>
  heads.findOne(idFilter(key))

export const readHeads = ({ heads }: Database, keys: readonly string[]): Promise<HeadDocument[]> =>
  heads.find(idsFilter(keys)).toArray()

/** How far the projection of a topic has followed its log. */
export interface HeadAdvance {
  key: string
  seq: number
  at: Date
  closed: boolean
  total_bytes?: number
}

/**
 * Records how far projections have followed. Never moves a head backwards. A rollback may take it
 * back, unless it is told to be `durable`: the documents are then projected once more.
 */
export async function advanceHeads(
  { heads }: Database,
  advances: readonly HeadAdvance[],
  { durable }: { durable: boolean },
): Promise<void> {
  await heads.bulkWrite(
    advances.map(({ key, seq, at, closed, total_bytes }) => ({
      updateOne: {
        filter: idFilter(key),
        update: {
          $max: { applied: seq, at, total_bytes },
          ...(closed && { $set: { closed: true as const } }),
        },
      },
    })),
    { ordered: false, ...(!durable && { writeConcern: { w: 1, journal: false } }) },
  )
}

/**
 * Gives all logs another epoch, which makes all earlier cursors invalid. Returns the number of
 * logs.
 */
export async function renewEpochs({ heads }: Database, epoch: string): Promise<number> {
  const { matchedCount } = await heads.updateMany({}, { $set: { epoch } })
  return matchedCount
}

/** The ids of users that have logs, including closed accounts, in order, above `after`. */
export async function usersWithLogs(
  { heads }: Database,
  after: string,
  limit: number,
): Promise<string[]> {
  const found = await heads
    .find({ _id: { $gt: after === '' ? '' : `${after};` } }, { projection: { user_id: 1 } })
    .sort({ _id: 1 })
    .limit(limit * topics.length)
    .toArray()
  return [...new Set(found.map(({ user_id }) => user_id))].slice(0, limit)
}

/** Whether a user has logs, also after the account was closed. */
export const hasLogs = async ({ heads }: Database, user_id: string): Promise<boolean> =>
  (await heads.findOne({ user_id }, { projection: { _id: 1 } })) !== null
