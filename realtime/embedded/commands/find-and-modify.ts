// The command `findAndModify`. It changes or deletes one document and returns the document as it
// was before or after.
import { decode, isDoc, type Doc } from '../bson/codec.ts'
import { refusal } from '../errors.ts'
import { parseFilter, truthy } from '../query/filter.ts'
import { compileProjection } from '../query/projection.ts'
import type { SelectedRow, Selection } from '../query/select.ts'
import { parseSort } from '../query/sort.ts'
import { parseUpdate } from '../update/update.ts'
import {
  checkCollation,
  collectionName,
  optionalDoc,
  variablesOf,
  type CommandDefinition,
  type CommandRequest,
} from './command.ts'
import { insertBuilt, selectAll, usesPosition } from './update.ts'

export const findAndModify: CommandDefinition = {
  fields: [
    'query',
    'sort',
    'remove',
    'update',
    'new',
    'fields',
    'upsert',
    'bypassDocumentValidation',
    'collation',
    'arrayFilters',
    'hint',
    'let',
  ],
  writes: true,
  run(request) {
    const { engine, command } = request
    checkCollation(command)
    const removing = truthy(command.remove)
    if (removing === (command.update !== undefined))
      throw refusal(
        'FailedToParse',
        removing
          ? 'Cannot specify both an update and remove=true'
          : 'Either an update or remove=true must be specified',
      )
    if (removing && truthy(command.upsert))
      throw refusal('FailedToParse', 'Cannot specify both upsert=true and remove=true')
    if (removing && truthy(command.new))
      throw refusal(
        'FailedToParse',
        "Cannot specify both new=true and remove=true; 'remove' always returns the deleted document",
      )
    const retry = engine.retryableWrites.open(command)
    const number = retry?.numberOf(0) ?? 0
    const repeated = retry?.find(number)
    if (repeated) return { body: { ...repeated, retriedStmtId: number } }
    // An outcome that can't be shown must not have been written either.
    const outcome = engine.writer.atomically(() => modify(request, removing))
    retry?.add(number, outcome)
    retry?.save()
    return { body: { ...outcome } }
  },
}

function modify(request: CommandRequest, removing: boolean): Doc {
  const { engine, command, db } = request
  const name = collectionName(request)
  const variables = variablesOf(command)
  const fields = optionalDoc(command, 'fields')
  const projection =
    Object.keys(fields).length > 0 ? compileProjection(fields, variables) : undefined
  const selection: Selection = {
    filter: parseFilter(optionalDoc(command, 'query'), variables),
    sort: parseSort(command.sort ?? undefined),
    limit: 1,
    hint: command.hint,
    positional: usesPosition(command.update) || projection?.positional === true,
  }
  const collection = engine.catalog.find(db, name)
  const found = collection ? selectAll(engine, collection, selection)[0] : undefined
  const show = (bytes: Uint8Array | undefined): Doc | null => {
    if (!bytes) return null
    const doc = decode(bytes)
    return projection ? projection.project(doc, found?.position) : doc
  }
  if (removing) {
    if (found) engine.writer.delete(collection!, found.row, found.bytes)
    return { lastErrorObject: { n: found ? 1 : 0 }, value: show(found?.bytes) }
  }
  return change(request, name, selection, found, show)
}

function change(
  { engine, command, db }: CommandRequest,
  name: string,
  selection: Selection,
  found: SelectedRow | undefined,
  show: (bytes: Uint8Array | undefined) => Doc | null,
): Doc {
  const update = parseUpdate(command.update, command.arrayFilters, variablesOf(command))
  if (found) {
    const updated = update.apply(found.bytes, found.position)
    if (updated) engine.writer.update(engine.collection(db, name), found.row, found.bytes, updated)
    const shown = truthy(command.new) ? (updated?.bytes ?? found.bytes) : found.bytes
    return { lastErrorObject: { n: 1, updatedExisting: true }, value: show(shown) }
  }
  if (!truthy(command.upsert))
    return { lastErrorObject: { n: 0, updatedExisting: false }, value: null }
  const doc = insertBuilt(engine, db, name, selection, update)
  const fields = isDoc(command.fields)
    ? compileProjection(command.fields, variablesOf(command))
    : undefined
  return {
    lastErrorObject: { n: 1, updatedExisting: false, upserted: doc._id },
    value: truthy(command.new) ? (fields ? fields.project(doc) : doc) : null,
  }
}
