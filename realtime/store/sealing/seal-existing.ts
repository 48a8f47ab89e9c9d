// Seals what was written before KEYS_DIR was set, in the background. Every step may be repeated,
// and all nodes may do it at once: a document that has been written meanwhile is sealed already.
import { setTimeout as sleep } from 'node:timers/promises'
import type { Document } from 'mongodb'
import type { Database } from '../database.ts'
import { eraseDeleted } from '../erasure.ts'
import { Sealer } from './sealed-collection.ts'
import { sealedFields, type SealedFields } from './sealed-fields.ts'
import { isSealedCompletely, noteSealedCompletely } from './sealing.ts'

/** Documents between two pauses, and how long a pause is (ms). */
const AT_ONCE = 50
const PAUSE_MS = 20

/** Resolves when everything is sealed, or when `stop` is aborted. */
export async function sealExisting(database: Database, stop: AbortSignal): Promise<void> {
  const { sealing, db } = database
  if (!sealing || (await isSealedCompletely(db))) return
  for (const spec of Object.values<SealedFields>(sealedFields)) {
    const sealer = new Sealer(sealing.keys, spec)
    if (!(await sealCollectionOf(database, spec, sealer, stop))) return
  }
  await noteSealedCompletely(db)
  // the files of the database still contain the unsealed documents
  await eraseDeleted(database)
}

/** Returns false if it was stopped. */
async function sealCollectionOf(
  { db, dbWithoutTimeout }: Database,
  { collection, fields, guard }: SealedFields,
  sealer: Sealer,
  stop: AbortSignal,
): Promise<boolean> {
  const plain = { $exists: true, $not: { $type: 'binData' } }
  const unsealed = { $or: Object.keys(fields).map((field) => ({ [field]: plain })) }
  const found = dbWithoutTimeout
    .collection<{ _id: string }>(collection)
    .find(unsealed)
    .batchSize(AT_ONCE)
  let count = 0
  for await (const document of found as AsyncIterable<Document & { _id: string }>) {
    if (stop.aborted) return false
    const { _id, user_id } = document
    const sealed = sealer.seal(document, _id)
    const $set = Object.fromEntries(
      Object.entries(sealed).filter(([field, value]) => value !== document[field]),
    )
    if (Object.keys($set).length === 0) continue
    const isSame = { [guard]: (document[guard] as unknown) ?? { $exists: false } }
    const one = { _id, ...(user_id !== undefined && { user_id: user_id as string }), ...isSame }
    await db.collection<Document & { _id: string }>(collection).updateOne(one, { $set })
    if (++count % AT_ONCE === 0) await sleep(PAUSE_MS)
  }
  return true
}
