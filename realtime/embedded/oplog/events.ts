// Change events, made from oplog entries. The event of an entry is encoded only once, however many
// streams show it.
import { Doc } from '../bson/doc.ts'
import { encode, type Plain } from '../bson/encode.ts'
import { toTimestamp } from './clock.ts'
import type { OplogEntry } from './oplog.ts'
import { tokenOf } from './token.ts'

const operationTypes: Readonly<Record<string, string>> = {
  i: 'insert',
  u: 'update',
  r: 'replace',
  d: 'delete',
  drop: 'drop',
  dropDatabase: 'dropDatabase',
}

/** Whether streams show the entry. Older versions wrote entries of other kinds. */
export const isEvent = ({ op }: OplogEntry): boolean => Object.hasOwn(operationTypes, op)

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
  return encode(commonFields(entry, 'invalidate'))
}

function commonFields({ time }: OplogEntry, operationType: string): Plain {
  const token = tokenOf(time, operationType === 'invalidate' ? 'invalidate' : 'event')
  return { _id: token, operationType, clusterTime: toTimestamp(time) }
}

function build(entry: OplogEntry, lookedUp: Uint8Array | null | undefined): Uint8Array {
  const { op, db, coll, key, body } = entry
  const full = op === 'i' || op === 'r' ? body : lookedUp
  return encode({
    ...commonFields(entry, operationTypes[op]!),
    fullDocument: full && Doc.read(full),
    ns: coll === '' ? { db } : { db, coll },
    documentKey: key ? Doc.read(key) : undefined,
    updateDescription: op === 'u' ? Doc.read(body!) : undefined,
  })
}
