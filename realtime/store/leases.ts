// Leases on running replies and runs: which process produces them. Only the database's clock
// counts, so that nodes whose clocks differ agree. The collection holds only leases of what is
// running now.
import type { Database } from './database.ts'
import type { LeaseDocument } from './documents.ts'
import { idsFilter, idFilter, userFilter } from './shard-key.ts'

const inMs = (ms: number) => ({ $add: ['$$NOW', ms] })

/** Creates a lease that lasts `ms`. */
export async function takeLease(
  { replies }: Database,
  { _id, ...lease }: Omit<LeaseDocument, 'expires_at'>,
  ms: number,
): Promise<void> {
  await replies.updateOne(idFilter(_id), [{ $set: { ...lease, expires_at: inMs(ms) } }], {
    upsert: true,
  })
}

/** Renews an owner's leases for `ms` from now. Returns how many of them it still holds. */
export async function renewLeases(
  { replies }: Database,
  owner: string,
  ids: readonly string[],
  ms: number,
): Promise<number> {
  const renewed = await replies.updateMany({ ...idsFilter(ids), owner }, [
    { $set: { expires_at: inMs(ms) } },
  ])
  return renewed.matchedCount
}

/** Returns the ids of those leases that the owner still holds. */
export async function findHeldLeases(
  { replies }: Database,
  owner: string,
  ids: readonly string[],
): Promise<Set<string>> {
  const held = replies.find({ ...idsFilter(ids), owner }).project<{ _id: string }>({ _id: 1 })
  return new Set((await held.toArray()).map(({ _id }) => _id))
}

export const findExpiredLeases = ({ replies }: Database, limit: number): Promise<LeaseDocument[]> =>
  replies
    .find({ $expr: { $lt: ['$expires_at', '$$NOW'] } })
    .limit(limit)
    .toArray()

/** Takes an expired lease over. False if it was renewed, or another node has taken it. */
export async function claimLease(
  { replies }: Database,
  { _id, owner, expires_at }: LeaseDocument,
  by: string,
  ms: number,
): Promise<boolean> {
  const claimed = await replies.updateOne({ ...idFilter(_id), owner, expires_at }, [
    { $set: { owner: by, expires_at: inMs(ms) } },
  ])
  return claimed.modifiedCount === 1
}

export async function dropLease({ replies }: Database, _id: string, owner: string): Promise<void> {
  await replies.deleteOne({ ...idFilter(_id), owner })
}

/** Counts a user's running replies and runs, up to `limit`. */
export async function countRunning(
  { replies }: Database,
  user_id: string,
  limit: number,
): Promise<number> {
  const ids = replies.find(userFilter(user_id)).project({ _id: 1 }).limit(limit)
  return (await ids.toArray()).length
}

/** Returns the ids of those runs that have a lease. */
export async function findLeasedRuns(
  { replies }: Database,
  run_ids: readonly string[],
): Promise<Set<string>> {
  const leases = replies
    .find({ run_id: { $in: [...run_ids] } })
    .project<{ run_id: string }>({ run_id: 1 })
  return new Set((await leases.toArray()).map(({ run_id }) => run_id))
}
