// Which node delivers to webhooks (the lease), and how far it has followed the change stream (the
// position). Both are documents of `feed`. Only the database's clock counts for the lease. Unlike
// the leases of replies, this one has a generation: a holder that was slow can't save its position
// after the next holder has.
import type { Database } from './database.ts'
import type { ResumeToken } from './documents.ts'

const [TAIL, LEASE] = ['tail:webhooks', 'lease:webhooks'] as const

/** Where the stream of webhooks stands, and which webhooks it had seen by then. */
export interface WebhookPosition {
  token: ResumeToken
  webhook_ids: string[]
  at: Date
}

export async function readPosition({ feed }: Database): Promise<WebhookPosition | undefined> {
  const saved = await feed.findOne({ _id: TAIL })
  if (!saved?.token) return undefined
  return { token: saved.token, webhook_ids: saved.webhook_ids ?? [], at: saved.at! }
}

/** Makes the position and the lease of webhooks, unless they exist. */
export async function beginPosition({ feed }: Database, token: ResumeToken): Promise<void> {
  const begun = { token, webhook_ids: [], generation: 0, at: new Date() }
  await feed.updateOne({ _id: TAIL }, { $setOnInsert: begun }, { upsert: true })
  const free = { owner: '', generation: 0, expires_at: new Date(0) }
  await feed.updateOne({ _id: LEASE }, { $setOnInsert: free }, { upsert: true })
}

/** Saves the position, unless a later holder of the lease has saved one. */
export async function savePosition(
  { feed }: Database,
  position: WebhookPosition,
  generation: number,
): Promise<void> {
  await feed.updateOne(
    { _id: TAIL, generation: { $lte: generation } },
    { $set: { ...position, generation } },
  )
}

/**
 * Takes the lease of webhooks for `ms` by the database's clock, if it is free, and returns its
 * generation.
 */
export async function acquireWebhookLease(
  { feed }: Database,
  owner: string,
  ms: number,
): Promise<number | undefined> {
  const free = { _id: LEASE, $expr: { $lt: ['$expires_at', '$$NOW'] } }
  const lease = await feed.findOne(free)
  if (!lease) return undefined
  const { generation = 0 } = lease
  const taken = await feed.updateOne({ ...free, generation }, [
    { $set: { owner, expires_at: { $add: ['$$NOW', ms] }, generation: generation + 1 } },
  ])
  return taken.modifiedCount === 1 ? generation + 1 : undefined
}

/** Prolongs the lease. False if another node has it. */
export async function renewWebhookLease(
  { feed }: Database,
  owner: string,
  ms: number,
): Promise<boolean> {
  const renewed = await feed.updateOne({ _id: LEASE, owner }, [
    { $set: { expires_at: { $add: ['$$NOW', ms] } } },
  ])
  return renewed.matchedCount === 1
}

/** Leaves the lease to the other nodes. */
export async function dropWebhookLease({ feed }: Database, owner: string): Promise<void> {
  await feed.updateOne({ _id: LEASE, owner }, { $set: { owner: '', expires_at: new Date(0) } })
}
