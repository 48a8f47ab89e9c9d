// What the feed keeps in the database: where each tail stands, the canary that proves that a change
// stream is alive, the number of leases, and the name and key of this deployment. Nodes use them to
// tell their messages from those of other deployments, and of anybody else, on the same Redis.
import { randomBytes } from 'node:crypto'
import { newId } from '@lockstep/protocol/ids'
import type { Database } from './database.ts'
import type { ResumeToken } from './documents.ts'

export const canaryId = (range: string): string => `canary:${range}`

export async function readResumeToken(
  { feed }: Database,
  range: string,
): Promise<ResumeToken | undefined> {
  const saved = await feed.findOne({ _id: `tail:${range}` })
  return saved?.token ?? undefined
}

/**
 * Saves the token, unless a later holder of the lease has saved one: an earlier holder that was
 * only paused must not move it back.
 */
export async function saveResumeToken(
  { feed }: Database,
  range: string,
  token: ResumeToken,
  generation: number,
): Promise<void> {
  const _id = `tail:${range}`
  const saved = { token, generation, at: new Date() }
  const { matchedCount } = await feed.updateOne(
    { _id, generation: { $lte: generation } },
    { $set: saved },
  )
  if (matchedCount === 0) await feed.updateOne({ _id }, { $setOnInsert: saved }, { upsert: true })
}

/**
 * The highest generation under which a token was saved. If Redis loses its counter, the counter
 * continues from here.
 */
export async function readGeneration({ feed }: Database, range: string): Promise<number> {
  const saved = await feed.findOne({ _id: `tail:${range}` }, { projection: { generation: 1 } })
  return saved?.generation ?? 0
}

/** Writes the canary: a change stream that is alive must show this write. */
export async function writeCanary({ feed }: Database, range: string): Promise<void> {
  await feed.updateOne(
    { _id: canaryId(range) },
    { $inc: { beat: 1 }, $set: { at: new Date() } },
    { upsert: true },
  )
}

/**
 * How many leases the buckets are split into. It is 1 unless an operator has stored `{_id:
 * 'leases', count: n}`.
 */
export async function readLeaseCount({ feed }: Database): Promise<number> {
  const stored = await feed.findOne({ _id: 'leases' })
  return Math.max(1, Math.floor(stored?.count ?? 1))
}

/** The name and key that only the nodes of this database's deployment know. */
export interface Deployment {
  name: string
  /** Authenticates the messages between its nodes. */
  messageKey: string
}

/** The deployment that owns this database. The first node to ask makes it. */
export async function readDeployment({ feed }: Database): Promise<Deployment> {
  await feed.updateOne(
    { _id: 'deployment' },
    { $setOnInsert: { name: newName() } },
    { upsert: true },
  )
  await feed.updateOne(
    { _id: 'deployment', message_key: { $exists: false } },
    { $set: { message_key: newKey() } },
  )
  const { name, message_key } = (await feed.findOne({ _id: 'deployment' }))!
  return { name: name!, messageKey: message_key! }
}

/**
 * Makes this database a deployment of its own, after it was copied. Nodes see it when they start.
 */
export async function renameDeployment({ feed }: Database): Promise<void> {
  const $set = { name: newName(), message_key: newKey() }
  await feed.updateOne({ _id: 'deployment' }, { $set }, { upsert: true })
}

/** Short, because it is part of each message. */
const newName = () => newId().slice(-12)
const newKey = () => randomBytes(32).toString('base64url')
