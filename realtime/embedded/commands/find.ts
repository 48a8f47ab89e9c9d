// The commands that only read with a filter: `find`, `count`, `distinct`.
import { Doc } from '../bson/doc.ts'
import { valueBytes } from '../bson/encode.ts'
import { isDoc } from '../bson/type-of.ts'
import { toNumber } from '../bson/numbers.ts'
import { keyOf } from '../bson/order.ts'
import type { DocumentSource } from '../cursors/cursors.ts'
import { locationRefusal, refusal } from '../errors.ts'
import { pace, pause } from '../pace.ts'
import { isTrue } from '../expression/truth.ts'
import type { StoredRow } from '../plan/scanner.ts'
import { parseFilter } from '../query/filter.ts'
import { someValue } from '../query/path.ts'
import { compileProjection } from '../query/projection.ts'
import {
  documentSource,
  projectedSource,
  select,
  type SelectedRows,
  type Selection,
} from '../query/select.ts'
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
  reads: true,
  run(request) {
    const { command, db } = request
    const name = collectionName(request)
    for (const option of ['tailable', 'awaitData', 'returnKey', 'showRecordId', 'min', 'max']) {
      if (isTrue(command.get(option)))
        throw refusal('NotImplemented', `the option '${option}' of find is not supported`)
    }
    const source = sourceOf(request, name)
    const singleBatch = isTrue(command.get('singleBatch'))
    return openCursor(request, `${db}.${name}`, source, {
      batchSize: optionalCount(command, 'batchSize') ?? 101,
      singleBatch,
      noTimeout: isTrue(command.get('noCursorTimeout')),
    })
  },
}

function sourceOf(request: CommandRequest, name: string): DocumentSource {
  const { engine, command, db } = request
  const spec = optionalDoc(command, 'projection')
  const selected = selectionOf(command, 'filter')
  const projection = spec.size > 0 ? compileProjection(spec, variablesOf(command)) : undefined
  const selection: Selection = {
    ...selected,
    allowDiskUse: isTrue(command.get('allowDiskUse')),
  }
  const collection = engine.catalog.find(db, name)
  if (!collection) return documentSource([])
  return projectedSource(select(engine, collection, selection), projection)
}

/** The filter, sort, skip, limit and hint of a command. */
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
  fields: ['query', 'limit', 'skip', 'hint', 'collation', 'fields', 'let'],
  reads: true,
  async run(request) {
    const { engine, command, db } = request
    const collection = engine.catalog.find(db, collectionName(request))
    // For `count`, a negative limit means the same as a positive one.
    const limit = Math.abs(toNumber(command.get('limit') ?? 0) ?? NaN)
    if (Number.isNaN(limit)) throw refusal('BadValue', 'limit value is not a valid number')
    const selection = { ...selectionOf(command.without('limit'), 'query'), limit }
    if (!collection) return { body: { n: 0 } }
    const { filter } = selection
    if (filter.kind === 'and' && filter.filters.length === 0) {
      const all = await engine.documents.count(collection)
      const rest = Math.max(0, all - (selection.skip ?? 0))
      return { body: { n: limit > 0 ? Math.min(limit, rest) : rest } }
    }
    let n = 0
    await eachRow(select(engine, collection, selection), () => n++)
    return { body: { n } }
  },
}

/** Visits all rows, in portions between which others have a turn. */
async function eachRow(rows: SelectedRows, visit: (row: StoredRow) => void): Promise<void> {
  for (let row = rows.next(); row; row = rows.next()) {
    if (row === pause) {
      rows.pause()
      await pace.rest()
    } else {
      visit(row)
    }
  }
}

export const distinct: CommandDefinition = {
  fields: ['key', 'query', 'collation', 'hint', 'let'],
  reads: true,
  async run(request) {
    const { engine, command, db } = request
    const key = command.get('key')
    if (key === undefined)
      throw locationRefusal(40414, "BSON field 'distinct.key' is missing but a required field")
    if (typeof key !== 'string')
      throw refusal('TypeMismatch', "BSON field 'distinct.key' is the wrong type")
    const collection = engine.catalog.find(db, collectionName(request))
    const selection = selectionOf(command, 'query')
    const values = new Map<string, unknown>()
    let bytes = 0
    if (collection)
      await eachRow(select(engine, collection, selection), (row) => {
        bytes += collect(Doc.read(row.bytes), key, values)
        if (bytes > MAX_DISTINCT_BYTES) throw locationRefusal(17217, 'distinct too big, 16mb cap')
      })
    return { body: { values: [...values.values()] } }
  },
}

const MAX_DISTINCT_BYTES = 16 * 1024 * 1024

/** Adds the values that are new. Returns the number of their bytes. */
function collect(doc: Doc, key: string, values: Map<string, unknown>): number {
  let bytes = 0
  const add = (value: unknown): void => {
    const name = keyOf(value).toString('latin1')
    if (value === undefined || values.has(name)) return
    values.set(name, value)
    bytes += valueBytes(value).length
  }
  someValue(doc, key.split('.'), false, (value) => {
    if (Array.isArray(value)) value.forEach(add)
    else add(value)
    return false
  })
  return bytes
}
