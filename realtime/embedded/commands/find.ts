// The commands that only read with a filter: `find`, `count`, `distinct`.
import { decode, isDoc, type Doc } from '../bson/codec.ts'
import { toNumber } from '../bson/numbers.ts'
import { keyOf } from '../bson/order.ts'
import type { DocumentSource } from '../cursors/cursors.ts'
import { locationRefusal, refusal } from '../errors.ts'
import { parseFilter, truthy } from '../query/filter.ts'
import { someValue } from '../query/path.ts'
import { compileProjection } from '../query/projection.ts'
import { documentSource, projectedSource, select, type Selection } from '../query/select.ts'
import { parseSort } from '../query/sort.ts'
import {
  checkCollation,
  collectionName,
  optionalCount,
  optionalDoc,
  variablesOf,
  type CommandDefinition,
  type CommandRequest,
} from './command.ts'
import { openCursor } from './cursor-commands.ts'

const findFields = [
  'filter',
  'sort',
  'projection',
  'hint',
  'skip',
  'limit',
  'batchSize',
  'singleBatch',
  'max',
  'min',
  'returnKey',
  'showRecordId',
  'tailable',
  'oplogReplay',
  'noCursorTimeout',
  'awaitData',
  'allowPartialResults',
  'allowDiskUse',
  'collation',
  'let',
]

export const find: CommandDefinition = {
  fields: findFields,
  run(request) {
    const { command, db } = request
    const name = collectionName(request)
    for (const option of ['tailable', 'awaitData', 'returnKey', 'showRecordId', 'min', 'max']) {
      if (truthy(command[option]))
        throw refusal('NotImplemented', `the option '${option}' of find is not supported`)
    }
    const source = sourceOf(request, name)
    const singleBatch = truthy(command.singleBatch)
    const batchSize = optionalCount(command, 'batchSize') ?? 101
    return openCursor(request, `${db}.${name}`, source, {
      batchSize: singleBatch ? Infinity : batchSize,
      singleBatch,
      noTimeout: truthy(command.noCursorTimeout),
    })
  },
}

function sourceOf(request: CommandRequest, name: string): DocumentSource {
  const { engine, command, db } = request
  const variables = variablesOf(command)
  const spec = optionalDoc(command, 'projection')
  const projection = Object.keys(spec).length > 0 ? compileProjection(spec, variables) : undefined
  const selection: Selection = {
    ...selectionOf(command, 'filter'),
    positional: projection?.positional === true,
  }
  const collection = engine.catalog.find(db, name)
  if (!collection) return documentSource([])
  return projectedSource(select(engine.store, collection, selection), projection)
}

/** The filter, sort, skip, limit and hint of a command. */
export function selectionOf(command: Doc, filterField: string): Selection {
  checkCollation(command)
  return {
    filter: parseFilter(optionalDoc(command, filterField), variablesOf(command)),
    sort: parseSort(command.sort),
    skip: optionalCount(command, 'skip'),
    limit: optionalCount(command, 'limit'),
    hint: isDoc(command.hint) && Object.keys(command.hint).length === 0 ? undefined : command.hint,
  }
}

export const count: CommandDefinition = {
  fields: ['query', 'limit', 'skip', 'hint', 'collation', 'fields', 'let'],
  run(request) {
    const { engine, command, db } = request
    const collection = engine.catalog.find(db, collectionName(request))
    // For `count`, a negative limit means the same as a positive one.
    const limit = Math.abs(toNumber(command.limit) ?? 0)
    const selection = { ...selectionOf({ ...command, limit }, 'query'), limit }
    if (!collection) return { body: { n: 0 } }
    const { filter } = selection
    if (filter.kind === 'and' && filter.filters.length === 0) {
      const rest = Math.max(0, engine.documents.count(collection) - (selection.skip ?? 0))
      return { body: { n: limit > 0 ? Math.min(limit, rest) : rest } }
    }
    const rows = select(engine.store, collection, selection)
    let n = 0
    while (rows.next()) n++
    return { body: { n } }
  },
}

export const distinct: CommandDefinition = {
  fields: ['key', 'query', 'collation', 'hint', 'let'],
  run(request) {
    const { engine, command, db } = request
    const { key } = command
    if (typeof key !== 'string')
      throw locationRefusal(40414, "BSON field 'distinct.key' is missing but a required field")
    const collection = engine.catalog.find(db, collectionName(request))
    const selection = selectionOf(command, 'query')
    const values = new Map<string, unknown>()
    if (collection) {
      const rows = select(engine.store, collection, selection)
      for (let row = rows.next(); row; row = rows.next()) collect(decode(row.bytes), key, values)
    }
    return { body: { values: [...values.values()] } }
  },
}

function collect(doc: Doc, key: string, values: Map<string, unknown>): void {
  someValue(doc, key.split('.'), true, (value) => {
    if (value !== undefined && !Array.isArray(value)) {
      const name = keyOf(value).toString('latin1')
      if (!values.has(name)) values.set(name, value)
    }
    return false
  })
}
