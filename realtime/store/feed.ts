// What the feed keeps in the database: where each tail stands, the canary that proves a stream alive, the number of leases, and the name
// under which the nodes of this database find each other in a Redis that others use too.
import type { ResumeToken } from 'mongodb'
import { newId } from '@lockstep/protocol/ids'
import type { Database } from './database.ts'

/** Where a change stream stands; only MongoDB knows what is inside. */
export type Token = ResumeToken

export interface FeedDocument {
  /** `tail:<range>`, `canary:<range>`, `leases` or `deployment` */
  _id: string
  /** A tail's token and the lease's generation under which it was saved. */
  token?: Token
  generation?: number
  /** A canary's counter. */
  beat?: number
  /** How many leases the buckets are split into. */
  count?: number
  /** The deployment's name. */
  name?: string
  at?: Date
}

export const canaryId = (range: string): string => `canary:${range}`

export async function readResumeToken(
  { feed }: Database,
  range: string,
): Promise<Token | undefined> {
  const kept = await feed.findOne({ _id: `tail:${range}` })
  return kept?.token ?? undefined
}

/** Keeps the token, unless a later holder of the lease has kept one: an old holder that wakes up must not move it back. */
export async function saveResumeToken(
  { feed }: Database,
  range: string,
  token: Token,
  generation: number,
): Promise<void> {
  const _id = `tail:${range}`
  const kept = { token, generation, at: new Date() }
  const { matchedCount } = await feed.updateOne(
    { _id, generation: { $lte: generation } },
    { $set: kept },
  )
  if (matchedCount === 0) await feed.updateOne({ _id }, { $setOnInsert: kept }, { upsert: true })
}

/** A generation that is higher than any kept one: after Redis lost its counter, the database still knows it. */
export async function readGeneration({ feed }: Database, range: string): Promise<number> {
  const kept = await feed.findOne({ _id: `tail:${range}` }, { projection: { generation: 1 } })
  return kept?.generation ?? 0
}

/** Writes what a living stream must show next. */
export async function writeCanary({ feed }: Database, range: string): Promise<void> {
  await feed.updateOne(
    { _id: canaryId(range) },
    { $inc: { beat: 1 }, $set: { at: new Date() } },
    { upsert: true },
  )
}

/** How many leases the buckets are split into; 1 unless an operator wrote `{_id: 'leases', count: n}`. */
export async function readLeaseCount({ feed }: Database): Promise<number> {
  const kept = await feed.findOne({ _id: 'leases' })
  return Math.max(1, Math.floor(kept?.count ?? 1))
}

/** The name of the deployment whose database this is, made by whoever asks first. */
export async function readDeploymentName({ feed }: Database): Promise<string> {
  await feed.updateOne(
    { _id: 'deployment' },
    { $setOnInsert: { name: newName() } },
    { upsert: true },
  )
  return (await feed.findOne({ _id: 'deployment' }))!.name!
}

/** A copy of a database is another deployment. Its nodes notice when they start. */
export async function renameDeployment({ feed }: Database): Promise<void> {
  await feed.updateOne({ _id: 'deployment' }, { $set: { name: newName() } }, { upsert: true })
}

/** Unique, and short: it stands before each message. */
const newName = () => newId().slice(-12)
