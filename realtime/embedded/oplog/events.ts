// Change events, made from oplog entries. The event of an entry is encoded only once, however many
// streams show it.
import { embeddedDocument, fieldsIn, framed } from '../bson/encode.ts'
import { Doc } from '../bson/doc.ts'
import { encode, type Plain } from '../bson/encode.ts'
import { toTimestamp } from './clock.ts'
import type { OplogEntry, OplogOperation } from './oplog.ts'
import { tokenOf } from './token.ts'

const operationTypes: Record<Exclude<OplogOperation, 'n'>, string> = {
  i: 'insert',
  u: 'update',
  r: 'replace',
  d: 'delete',
  drop: 'drop',
  dropDatabase: 'dropDatabase',
  rename: 'rename',
}

const encoded = new WeakMap<OplogEntry, Uint8Array>()
const decoded = new WeakMap<Uint8Array, Doc>()

/**
 * The event of an entry as BSON. `lookedUp` is the current document for `fullDocument:
 * 'updateLookup'`, or null if it no longer exists.
 */
export function eventOf(entry: OplogEntry, lookedUp?: Uint8Array | null): Uint8Array {
  if (lookedUp !== undefined && entry.op === 'u') return build(entry, lookedUp)
  let bytes = encoded.get(entry)
  if (!bytes) encoded.set(entry, (bytes = build(entry, undefined)))
  return bytes
}

/** The event as a document, which streams with a pipeline need. It is read only once. */
export function decodeEvent(bytes: Uint8Array): Doc {
  let doc = decoded.get(bytes)
  if (!doc) decoded.set(bytes, (doc = Doc.read(bytes)))
  return doc
}

/** The event that ends a stream because its collection or database is gone. */
export function invalidateEvent(entry: OplogEntry): Uint8Array {
  return encode(commonFields(entry, 'invalidate', tokenOf(entry.time, 'invalidate')))
}

function commonFields(entry: OplogEntry, operationType: string, token: Plain): Plain {
  return {
    _id: token,
    operationType,
    clusterTime: toTimestamp(entry.time),
  }
}

function build(entry: OplogEntry, lookedUp: Uint8Array | null | undefined): Uint8Array {
  const operation = operationTypes[entry.op as Exclude<OplogOperation, 'n'>]
  const parts: Uint8Array[] = [
    fieldsIn(commonFields(entry, operation, tokenOf(entry.time, 'event'))),
  ]
  const full = entry.op === 'i' || entry.op === 'r' ? entry.body : lookedUp
  if (full) parts.push(...embeddedDocument('fullDocument', [full]))
  else if (full === null) parts.push(fieldsIn({ fullDocument: null }))
  parts.push(
    fieldsIn({ ns: entry.coll === '' ? { db: entry.db } : { db: entry.db, coll: entry.coll } }),
  )
  if (entry.op === 'rename') parts.push(...embeddedDocument('to', [entry.body!]))
  if (entry.key) parts.push(...embeddedDocument('documentKey', [entry.key]))
  if (entry.op === 'u') parts.push(...embeddedDocument('updateDescription', [entry.body!]))
  return Buffer.concat(framed(parts))
}
