// The commands that only read with a filter: `find`, `count`, `distinct`.
import { Doc } from '../bson/doc.ts'
import { encode, valueBytes } from '../bson/encode.ts'
import { toNumber } from '../bson/numbers.ts'
import { keyOf } from '../bson/order.ts'
import { isDoc } from '../bson/type-of.ts'
import { sourceOf } from '../cursors/cursors.ts'
import { locationRefusal, refusal } from '../errors.ts'
import { isTrue } from '../expression/expression.ts'
import { mapped } from '../pace.ts'
import { parseFilter } from '../query/filter.ts'
import { compileProjection } from '../query/projection.ts'
import { eachRow, select, type Selection } from '../query/select.ts'
import { parseSort } from '../query/sort.ts'
import { someValue } from '../query/value-tests.ts'
import {
  checkCollation,
  collectionName,
  missingField,
  optionalCount,
  optionalDoc,
  variablesOf,
  wrongType,
  type CommandDefinition,
} from './command.ts'
import { openCursor } from './cursor-commands.ts'

export const find: CommandDefinition = {
  fields:
    'filter sort projection hint skip limit batchSize singleBatch oplogReplay noCursorTimeout allowPartialResults allowDiskUse collation let',
  refused: 'tailable awaitData returnKey showRecordId min max',
  reads: true,
  run(request) {
    const { engine, command, db } = request
    const name = collectionName(request)
    const spec = optionalDoc(command, 'projection')
    const allowDiskUse = isTrue(command.get('allowDiskUse'))
    const selection = { ...selectionOf(command, 'filter'), allowDiskUse }
    const project = spec.size > 0 ? compileProjection(spec, variablesOf(command)) : undefined
    const collection = engine.catalog.find(db, name)
    const selected = collection && select(engine, collection, selection)
    const documents = mapped(selected?.rows ?? [], ({ bytes }) =>
      project ? encode(project(Doc.read(bytes))) : bytes,
    )
    const source = sourceOf(documents, selected?.pause)
    return openCursor(request, `${db}.${name}`, source, {
      batchSize: optionalCount(command, 'batchSize') ?? 101,
      singleBatch: isTrue(command.get('singleBatch')),
      noTimeout: isTrue(command.get('noCursorTimeout')),
    })
  },
}

export function selectionOf(command: Doc, filterField: string): Selection {
  checkCollation(command)
  const hint = command.get('hint')
  return {
    filter: parseFilter(optionalDoc(command, filterField), variablesOf(command)),
    sort: parseSort(command.get('sort')),
    skip: optionalCount(command, 'skip'),
    limit: optionalCount(command, 'limit'),
    hint: isDoc(hint) && hint.size === 0 ? undefined : hint,
  }
}

export const count: CommandDefinition = {
  fields: 'query limit skip hint collation fields let',
  reads: true,
  async run(request) {
    const { engine, command, db } = request
    const collection = engine.catalog.find(db, collectionName(request))
    // For `count`, a negative limit means the same as a positive one.
    const limit = Math.abs(toNumber(command.get('limit') ?? 0) ?? NaN)
    if (Number.isNaN(limit)) throw refusal('BadValue', 'limit value is not a valid number')
    const selection = { ...selectionOf(command.without('limit'), 'query'), limit }
    if (!collection) return { n: 0 }
    const { filter, skip = 0 } = selection
    if (filter.kind === 'and' && filter.filters.length === 0) {
      const rest = Math.max(0, (await engine.documents.count(collection)) - skip)
      return { n: Math.min(limit || Infinity, rest) }
    }
    let n = 0
    await eachRow(select(engine, collection, selection), () => n++)
    return { n }
  },
}

const MAX_DISTINCT_BYTES = 16 * 1024 * 1024

export const distinct: CommandDefinition = {
  fields: 'key query collation hint let',
  reads: true,
  async run(request) {
    const { engine, command, db } = request
    const key = command.get('key')
    if (key === undefined) throw missingField('distinct.key')
    if (typeof key !== 'string') throw wrongType('distinct.key', key)
    const collection = engine.catalog.find(db, collectionName(request))
    const selection = selectionOf(command, 'query')
    const values = new Map<string, unknown>()
    let bytes = 0
    const add = (value: unknown): void => {
      const name = keyOf(value).toString('latin1')
      if (value === undefined || values.has(name)) return
      values.set(name, value)
      bytes += valueBytes(value).length
      if (bytes > MAX_DISTINCT_BYTES) throw locationRefusal(17217, 'distinct too big, 16mb cap')
    }
    const collect = (value: unknown): boolean => {
      if (Array.isArray(value)) value.forEach(add)
      else add(value)
      return false
    }
    if (collection)
      await eachRow(select(engine, collection, selection), (row) => {
        someValue(Doc.read(row.bytes), key.split('.'), false, collect)
      })
    return { values: [...values.values()] }
  },
}
