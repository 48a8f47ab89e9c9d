// The shape of what is stored, as a number. The invariant: each migration runs to its end, one after the other and by one node at a time,
// before any node that needs it serves, while nodes of the version before still do. So a migration only adds, or rewrites what both
// versions read; what the older one can't live with waits for the release after, which raises `minimum`.
import { setTimeout as sleep } from 'node:timers/promises'
import { ensureIndexes, type Database } from './database.ts'

/** One step, known by its place: the first one makes version 1. */
export interface SchemaMigration {
  name: string
  /** Repeatable: a node that dies half-way is followed by one that begins it again, and one that only stalled goes on beside it. */
  run(database: Database): Promise<void>
  /** The oldest version that can still serve afterwards; the same as before when absent. */
  minimum?: number
}

const migrations: readonly SchemaMigration[] = [
  { name: 'the first indexes', run: ensureIndexes },
  { name: 'users whom a host brings', run: ensureIndexes },
]

interface SchemaDocument {
  _id: 'schema'
  /** How many migrations have ended. */
  version: number
  /** A program that knows fewer must not touch the database. */
  minimum: number
  /** Who migrates, and until when unless prolonged; by the database's clock. */
  owner: string | null
  until: Date | null
}

/** How long a dead migrator keeps others waiting, and how often a living one says that it is (ms). */
const LEASE_MS = 10_000
const RENEW_MS = 3_000
/** Between two looks at somebody else's progress (ms). */
const POLL_MS = 100

/** Brings the database up to what this program knows, or waits until another node has. Throws when it is newer than that allows. */
export async function migrateSchema(
  database: Database,
  { owner, steps = migrations }: { owner: string; steps?: readonly SchemaMigration[] },
): Promise<void> {
  const schema = database.db.collection<SchemaDocument>('schema')
  const prolonged = [{ $set: { owner, until: { $add: ['$$NOW', LEASE_MS] } } }]
  const renew = () => schema.updateOne({ _id: 'schema', owner }, prolonged)

  await schema.updateOne(
    { _id: 'schema' },
    { $setOnInsert: { version: 0, minimum: 0, owner: null, until: null } },
    { upsert: true },
  )
  for (;;) {
    const { version, minimum } = (await schema.findOne({ _id: 'schema' }))!
    if (minimum > steps.length)
      throw new Error(
        `The database needs schema ${minimum}, this version of Lockstep knows ${steps.length}: update it`,
      )
    const step = steps[version]
    if (!step) return
    const free = { $or: [{ owner: null }, { $expr: { $lt: ['$until', '$$NOW'] } }] }
    const taken = await schema.updateOne({ _id: 'schema', version, ...free }, prolonged)
    if (taken.modifiedCount === 0) await sleep(POLL_MS)
    else await advance(step, version + 1)
  }

  async function advance(step: SchemaMigration, version: number): Promise<void> {
    // a renewal that fails is repeated by the next; should the lock be lost all the same, the step is only begun twice
    const timer = setInterval(() => void renew().catch(() => undefined), RENEW_MS)
    try {
      await step.run(database)
      await release({ version, ...(step.minimum !== undefined && { minimum: step.minimum }) })
    } catch (error) {
      await release({})
      throw error
    } finally {
      clearInterval(timer)
    }
  }

  /** Records and releases at once, unless the lock is somebody else's by now, who then says when the step has ended. */
  async function release(done: Partial<SchemaDocument>): Promise<void> {
    await schema.updateOne(
      { _id: 'schema', owner },
      { $set: { ...done, owner: null, until: null } },
    )
  }
}
