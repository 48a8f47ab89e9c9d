// The command `update`: replacements, operators and pipelines on one document or on many, with
// upserts.
import { Doc } from '../bson/doc.ts'
import type { Plain } from '../bson/encode.ts'
import { isDoc } from '../bson/type-of.ts'
import { locationRefusal, refusal } from '../errors.ts'
import { isTrue } from '../expression/truth.ts'
import { pace } from '../pace.ts'
import { parseFilter, refuseExpression } from '../query/filter.ts'
import { compileFilter } from '../query/match.ts'
import type { MatchTrace } from '../query/path.ts'
import type { Selection } from '../query/select.ts'
import { parseUpdate, type ParsedUpdate } from '../update/update.ts'
import {
  checkCollation,
  checkFields,
  collectionName,
  givenDocs,
  variablesOf,
  withValues,
  type CommandDefinition,
  type CommandRequest,
} from './command.ts'
import { matchingRows } from './matching-rows.ts'
import { runStatements } from './statements.ts'

const statementFields = ['q', 'u', 'c', 'multi', 'upsert', 'collation', 'arrayFilters', 'hint']

export const update: CommandDefinition = {
  fields: ['updates', 'ordered', 'bypassDocumentValidation', 'let'],
  writes: true,
  run(request) {
    const variables = variablesOf(request.command)
    const statements = givenDocs(request, 'updates')
    // An unknown field in one statement refuses them all.
    for (const statement of statements) checkFields('updates', statement, statementFields)
    const { command } = request
    if (
      command.has('txnNumber') &&
      statements.some((statement) => statement.get('multi') === true)
    ) {
      throw refusal('InvalidOptions', 'Cannot use retryable writes with multi=true')
    }
    return runStatements(request, statements, (statement) => {
      checkCollation(statement)
      const constants = statement.get('c')
      const parameters = isDoc(constants) ? withValues(variables, constants) : variables
      const u = statement.get('u')
      if (u === undefined)
        throw locationRefusal(
          40414,
          "BSON field 'update.updates.u' is missing but a required field",
        )
      if (constants !== undefined && !Array.isArray(u))
        throw locationRefusal(51198, 'Constant values may only be specified for pipeline updates')
      const query = statement.get('q')
      if (!isDoc(query))
        throw locationRefusal(
          40414,
          "BSON field 'update.updates.q' is missing but a required field",
        )
      const multi = statement.get('multi') === true
      const change = parseUpdate(u, statement.get('arrayFilters'), parameters)
      if (multi && change.replacement)
        throw refusal('FailedToParse', 'multi update is not supported for replacement-style update')
      const upsert = isTrue(statement.get('upsert'))
      const filter = parseFilter(query, parameters)
      const selection: Selection = {
        filter: upsert ? refuseExpression(filter) : filter,
        limit: multi ? 0 : 1,
        hint: statement.get('hint'),
      }
      return apply(request, selection, change, upsert)
    })
  },
}

async function apply(
  request: CommandRequest,
  selection: Selection,
  change: ParsedUpdate,
  upsert: boolean,
): Promise<Plain> {
  const { engine, db } = request
  const collection = engine.catalog.find(db, collectionName(request))
  const found = collection ? await matchingRows(engine, collection, selection) : []
  if (found.length === 0) {
    if (!upsert) return { n: 0, nModified: 0 }
    return { n: 1, nModified: 0, upserted: insertBuilt(request, selection, change).get('_id') }
  }
  const matches = compileFilter(selection.filter)
  let [matched, modified] = [0, 0]
  for (const { row } of found) {
    const bytes = collection!.dropped ? undefined : engine.documents.find(collection!, row)
    const before = bytes && Doc.read(bytes)
    const trace: MatchTrace = { index: undefined }
    if (before && matches(before, trace)) {
      matched++
      const updated = change.apply(before, trace.index)
      if (updated) {
        engine.writer.update(collection!, row, before, updated)
        modified++
      }
    }
    if (selection.limit === 0 && pace.isDue) await pace.rest()
  }
  return { n: matched, nModified: modified }
}

/** Inserts the document that an upsert builds, and returns it. */
export function insertBuilt(
  request: CommandRequest,
  { filter }: Selection,
  change: ParsedUpdate,
): Doc {
  const { engine, db } = request
  const built = change.build(filter)
  engine.writer.insert(engine.collection(db, collectionName(request)), built.doc)
  return built.doc
}
