import { topicKey } from './changes.ts'
import type { Database } from './database.ts'
import { idsFilter, idFilter } from './shard-key.ts'

/**
 * Where the projection of a topic stands. The log's real head is its last entry: `applied` only says up to where the documents
 * follow it. `at`: of the last applied entry; `closed`: the account is gone, nothing can follow.
 */
export interface HeadDocument {
  /** `<user>:<topic>` */
  _id: string
  user_id: string
  applied: number
  epoch: string
  at: Date
  closed?: true
}

/** Makes the heads of a new user, all with the same epoch. Repeating it changes nothing. */
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

export const readHead = ({ heads }: Database, key: string): Promise<HeadDocument | null> =>
  heads.findOne(idFilter(key))

export const readHeads = ({ heads }: Database, keys: readonly string[]): Promise<HeadDocument[]> =>
  heads.find(idsFilter(keys)).toArray()

/** The projection has followed the log up to `seq`; never moves backwards. */
export async function advanceHead(
  { heads }: Database,
  key: string,
  seq: number,
  at: Date,
  closed: boolean,
): Promise<void> {
  await heads.updateOne(idFilter(key), {
    $max: { applied: seq, at },
    ...(closed && { $set: { closed: true as const } }),
  })
}

/** Restarts the logs of all users: no cursor from before means anything any more. Answers how many topics there are. */
export async function renewEpochs({ heads }: Database, epoch: string): Promise<number> {
  const { matchedCount } = await heads.updateMany({}, { $set: { epoch } })
  return matchedCount
}

/** Users that have logs, closed accounts included, in order of id, behind `after`. */
export async function usersWithLogs(
  { heads }: Database,
  after: string,
  limit: number,
): Promise<string[]> {
  const found = await heads
    .find({ _id: { $gt: after === '' ? '' : `${after};` } }, { projection: { user_id: 1 } })
    .sort({ _id: 1 })
    .limit(limit * 4)
    .toArray()
  return [...new Set(found.map(({ user_id }) => user_id))].slice(0, limit)
}
