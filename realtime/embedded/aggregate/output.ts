// The stages `$out` and `$merge`, which write the result of an aggregation to a collection.
import { ObjectId } from 'bson'
import { encode, isDoc, type Doc } from '../bson/codec.ts'
import { refusal } from '../errors.ts'
import { parseFilter } from '../query/filter.ts'
import { select } from '../query/select.ts'
import { parseUpdate } from '../update/update.ts'
import type { PipelineContext, StreamStage } from './stage.ts'

interface Target {
  readonly db: string
  readonly coll: string
}

/** Compiles such a stage. It yields no documents. */
export function compileOutput(
  name: '$out' | '$merge',
  operand: unknown,
  context: PipelineContext,
): StreamStage {
  if (name === '$out') {
    const target = targetOf(operand, context.db)
    return (documents) => replaceCollection(context, target, documents)
  }
  const spec: Doc = isDoc(operand) && 'into' in operand ? operand : { into: operand }
  const target = targetOf(spec.into, context.db)
  const matched = spec.whenMatched ?? 'merge'
  const notMatched = spec.whenNotMatched ?? 'insert'
  const on: unknown[] = Array.isArray(spec.on) ? spec.on : [spec.on ?? '_id']
  if (on.length !== 1 || on[0] !== '_id')
    throw refusal('NotImplemented', "$merge is supported on '_id' only")
  if (!['replace', 'merge', 'keepExisting', 'fail'].includes(matched as string))
    throw refusal(
      'NotImplemented',
      '$merge: whenMatched must be replace, merge, keepExisting or fail',
    )
  if (!['insert', 'discard', 'fail'].includes(notMatched as string))
    throw refusal('BadValue', '$merge: whenNotMatched must be insert, discard or fail')
  return (documents) =>
    mergeInto(context, target, documents, matched as string, notMatched as string)
}

function targetOf(operand: unknown, db: string): Target {
  if (typeof operand === 'string') return { db, coll: operand }
  if (isDoc(operand) && typeof operand.coll === 'string')
    return { db: typeof operand.db === 'string' ? operand.db : db, coll: operand.coll }
  throw refusal(
    'FailedToParse',
    'the output collection must be a string or an object with db and coll',
  )
}

function withId(doc: Doc): Doc {
  const { _id: id = new ObjectId(), ...rest } = doc
  return { _id: id, ...rest }
}

function replaceCollection(
  { engine }: PipelineContext,
  { db, coll }: Target,
  documents: Iterable<Doc>,
): Doc[] {
  const all = [...documents].map(withId)
  const replace = (): void => {
    const present = engine.catalog.find(db, coll)
    const indexes = present?.indexes.slice(1) ?? []
    if (present) engine.writer.drop(present)
    const collection = engine.catalog.create(db, coll)
    for (const index of indexes) engine.catalog.addIndex(collection, index)
    for (const doc of all) engine.writer.insertDoc(collection, doc, encode(doc))
  }
  try {
    engine.writer.atomically(replace)
  } catch (error) {
    engine.catalog.reload()
    throw error
  }
  return []
}

function mergeInto(
  { engine }: PipelineContext,
  { db, coll }: Target,
  documents: Iterable<Doc>,
  matched: string,
  notMatched: string,
): Doc[] {
  for (const doc of [...documents].map(withId)) {
    const collection = engine.collection(db, coll)
    const found = select(engine.store, collection, {
      filter: parseFilter({ _id: { $eq: doc._id } }),
      limit: 1,
    }).next()
    if (!found) {
      if (notMatched === 'fail')
        throw refusal(
          'InternalError',
          '$merge could not find a matching document in the target collection for at least one document in the source collection',
        )
      if (notMatched === 'insert') engine.writer.insertDoc(collection, doc, encode(doc))
      continue
    }
    if (matched === 'fail') throw collision(collection.ns, doc._id)
    if (matched === 'keepExisting') continue
    const { _id: _, ...rest } = doc
    const change = parseUpdate(matched === 'replace' ? doc : { $set: rest }, undefined, {
      NOW: new Date(),
    })
    const updated =
      matched === 'merge' && Object.keys(rest).length === 0
        ? undefined
        : change.apply(found.bytes, undefined)
    if (updated) engine.writer.update(collection, found.row, found.bytes, updated)
  }
  return []
}

function collision(ns: string, id: unknown): Error {
  const message = `E11000 duplicate key error collection: ${ns} index: _id_ dup key: { _id: ${String(id)} }`
  return refusal('DuplicateKey', message, { keyPattern: { _id: 1 }, keyValue: { _id: id } })
}
