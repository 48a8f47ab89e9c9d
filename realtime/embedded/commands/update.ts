// The command `update`: replacements, operators and pipelines on one document or on many, with
// upserts.
import { decode, isDoc, type Doc } from '../bson/codec.ts'
import type { DatabaseEngine } from '../engine.ts'
import { locationRefusal, refusal } from '../errors.ts'
import { parseFilter, truthy } from '../query/filter.ts'
import { select, type SelectedRow, type Selection } from '../query/select.ts'
import type { Collection } from '../storage/catalog.ts'
import { parseUpdate, type ParsedUpdate } from '../update/update.ts'
import {
  checkCollation,
  checkFields,
  collectionName,
  optionalDoc,
  variablesOf,
  withConstants,
  type CommandDefinition,
  type CommandRequest,
} from './command.ts'
import { runStatements } from './statements.ts'

const statementFields = ['q', 'u', 'c', 'multi', 'upsert', 'collation', 'arrayFilters', 'hint']

/**
 * The statements of a command, which come as an array in its body or as a document sequence. An
 * unknown field in one statement refuses them all.
 */
export function statementsOf(
  request: CommandRequest,
  field: string,
  known: readonly string[],
): Doc[] {
  const statements = givenStatements(request, field)
  for (const statement of statements) checkFields(field, statement, known)
  return statements
}

function givenStatements(request: CommandRequest, field: string): Doc[] {
  const sequence = request.sequences.get(field)
  if (sequence) return sequence.map((bytes) => decode(bytes))
  const given = request.command[field]
  if (!Array.isArray(given))
    throw locationRefusal(
      40414,
      `BSON field '${request.name}.${field}' is missing but a required field`,
    )
  return given.map((statement: unknown) => {
    if (!isDoc(statement))
      throw refusal(
        'TypeMismatch',
        `BSON field '${request.name}.${field}' holds something that is no object`,
      )
    return statement
  })
}

export const update: CommandDefinition = {
  fields: ['updates', 'ordered', 'bypassDocumentValidation', 'let'],
  writes: true,
  run(request) {
    const name = collectionName(request)
    const variables = variablesOf(request.command)
    const statements = statementsOf(request, 'updates', statementFields)
    if (
      request.command.txnNumber !== undefined &&
      statements.some((statement) => statement.multi === true)
    ) {
      throw refusal('InvalidOptions', 'Cannot use retryable writes with multi=true')
    }
    return runStatements(request, statements, (statement) => {
      checkCollation(statement)
      const parameters = isDoc(statement.c) ? withConstants(variables, statement.c) : variables
      const change = parseUpdate(statement.u, statement.arrayFilters, parameters)
      const multi = statement.multi === true
      if (multi && change.replacement)
        throw refusal('FailedToParse', 'multi update is not supported for replacement-style update')
      const selection: Selection = {
        filter: parseFilter(optionalDoc(statement, 'q'), parameters),
        limit: multi ? 0 : 1,
        hint: statement.hint,
        positional: usesPosition(statement.u),
      }
      return apply(request.engine, request.db, name, selection, change, truthy(statement.upsert))
    })
  },
}

/** Whether a path of the update contains the positional operator `$`. */
export function usesPosition(u: unknown): boolean {
  if (!isDoc(u)) return false
  return Object.values(u).some(
    (fields) => isDoc(fields) && Object.keys(fields).some((path) => /\.\$(\.|$)/.test(path)),
  )
}

function apply(
  engine: DatabaseEngine,
  db: string,
  name: string,
  selection: Selection,
  change: ParsedUpdate,
  upsert: boolean,
): Doc {
  const collection = engine.catalog.find(db, name)
  const found = collection ? selectAll(engine, collection, selection) : []
  if (found.length === 0) {
    return upsert
      ? { n: 1, nModified: 0, upserted: insertBuilt(engine, db, name, selection, change)._id }
      : { n: 0, nModified: 0 }
  }
  let modified = 0
  for (const selected of found) {
    const updated = change.apply(selected.bytes, selected.position)
    if (!updated) continue
    engine.writer.update(collection!, selected.row, selected.bytes, updated)
    modified++
  }
  return { n: found.length, nModified: modified }
}

/** Inserts the document that an upsert builds, and returns it. */
export function insertBuilt(
  engine: DatabaseEngine,
  db: string,
  name: string,
  selection: Selection,
  change: ParsedUpdate,
): Doc {
  const built = change.build(selection.filter)
  engine.writer.insertDoc(engine.collection(db, name), built.doc, built.bytes)
  return built.doc
}

/**
 * All selected rows. They are read before the first one is changed, so that an update can't select
 * its own results.
 */
export function selectAll(
  engine: DatabaseEngine,
  collection: Collection,
  selection: Selection,
): SelectedRow[] {
  const rows = select(engine.store, collection, selection)
  const found: SelectedRow[] = []
  for (let row = rows.next(); row; row = rows.next()) found.push(row)
  return found
}
