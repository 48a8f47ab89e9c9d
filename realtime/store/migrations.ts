// The version of the stored data, and the migrations that raise it. The invariant: migrations run
// to their end, one after the other and on one node at a time, before any node that needs them
// serves. Meanwhile nodes of the previous version still serve. So a migration only adds data, or
// rewrites data in a way that both versions can read. A change that the previous version can't read
// waits for the release after, which raises `minimum`.
import { setTimeout as sleep } from 'node:timers/promises'
import { ensureIndexes, type Database } from './database.ts'

/** One step. Its index in the list is its number: the first migration leads to version 1. */
export interface SchemaMigration {
  name: string
  /**
   * Must be repeatable, and able to run twice at once: if a node dies half-way, another one begins
   * again, and if the first was only paused, both run.
   */
  run(database: Database): Promise<void>
  /** The oldest version that can still serve afterwards. Absent: it doesn't change. */
  minimum?: number
}

const migrations: readonly SchemaMigration[] = [
  { name: 'the first indexes', run: ensureIndexes },
  { name: 'users whom a host brings', run: ensureIndexes },
  { name: 'files of the page', run: ensureIndexes },
  { name: 'tokens that are good for once', run: ensureIndexes },
  { name: 'what users have used', run: ensureIndexes },
  { name: 'passkeys', run: ensureIndexes },
  { name: 'tokens of programs', run: ensureIndexes },
  { name: 'invitations and what operators did', run: ensureIndexes },
  { name: 'records', run: ensureIndexes },
  { name: 'webhooks', run: ensureIndexes },
]

interface SchemaDocument {
  _id: 'schema'
  /** How many migrations have been completed. */
  version: number
  /** A program that knows fewer migrations must not use the database. */
  minimum: number
  /**
   * The node that migrates, and when its lease ends unless it is renewed, by the database's clock.
   */
  owner: string | null
  until: Date | null
}

/**
 * How long other nodes wait for a node that died while it migrated, and how often a living one
 * renews its lease (ms).
 */
const LEASE_MS = 10_000
const RENEW_MS = 3_000
/** How often a waiting node looks whether the migration is complete (ms). */
const POLL_MS = 100

/**
 * Migrates the database to the version of this program, or waits until another node has done so.
 * Throws if the database requires a newer program.
 */
export async function migrateSchema(
  database: Database,
  { owner, steps = migrations }: { owner: string; steps?: readonly SchemaMigration[] },
): Promise<void> {
  const schema = database.db.collection<SchemaDocument>('schema')
  const renewed = [{ $set: { owner, until: { $add: ['$$NOW', LEASE_MS] } } }]
  const renew = () => schema.updateOne({ _id: 'schema', owner }, renewed)

  // A start without a migration writes nothing, so that it succeeds on a full disk too.
  if (!(await schema.findOne({ _id: 'schema' })))
    await schema.updateOne(
      { _id: 'schema' },
      { $setOnInsert: { version: 0, minimum: 0, owner: null, until: null } },
      { upsert: true },
    )
  for (;;) {
    const { version, minimum } = (await schema.findOne({ _id: 'schema' }))!
    if (minimum > steps.length)
      throw new Error(
        `The database requires schema ${minimum}, but this version of Lockstep only knows ${steps.length}: update Lockstep`,
      )
    const step = steps[version]
    if (!step) return
    const free = { $or: [{ owner: null }, { $expr: { $lt: ['$until', '$$NOW'] } }] }
    const taken = await schema.updateOne({ _id: 'schema', version, ...free }, renewed)
    if (taken.modifiedCount === 0) await sleep(POLL_MS)
    else await advance(step, version)
  }

  /**
   * Runs the step after `version`. The steps after it that do the same are done by that too: a new
   * database begins with many steps that make all indexes.
   */
  async function advance(step: SchemaMigration, version: number): Promise<void> {
    const different = steps.findIndex(({ run }, at) => at > version && run !== step.run)
    const end = different === -1 ? steps.length : different
    const minimum = steps
      .slice(version, end)
      .findLast((done) => done.minimum !== undefined)?.minimum
    // if a renewal fails, the next one follows soon; if the lease is lost, the step just runs twice
    const timer = setInterval(() => void renew().catch(() => undefined), RENEW_MS)
    try {
      await step.run(database)
      await release({ version: end, ...(minimum !== undefined && { minimum }) })
    } catch (error) {
      await release({})
      throw error
    } finally {
      clearInterval(timer)
    }
  }

  /**
   * Records the result and releases the lease in one write. If another node has the lease by now,
   * that node records the result instead.
   */
  async function release(done: Partial<SchemaDocument>): Promise<void> {
    await schema.updateOne(
      { _id: 'schema', owner },
      { $set: { ...done, owner: null, until: null } },
    )
  }
}
