// The command `update`: replacements, operators and pipelines on one document or on many, with
// upserts.
import type { Doc } from '../bson/doc.ts'
import { isDoc } from '../bson/type-of.ts'
import { refusal } from '../errors.ts'
import { isTrue, type Variables } from '../expression/expression.ts'
import { parseFilter, refuseExpression, type Filter } from '../query/filter.ts'
import { parseUpdate, type ParsedUpdate } from '../update/update.ts'
import {
  checkCollation,
  checkFields,
  collectionName,
  givenDocs,
  missingField,
  refuseOptions,
  variablesOf,
  type CommandDefinition,
  type CommandRequest,
} from './command.ts'
import { eachMatch } from './each-match.ts'
import { runStatements } from './statements.ts'

const statementFields = 'q u c multi upsert collation arrayFilters hint'

export const update: CommandDefinition = {
  fields: 'updates ordered bypassDocumentValidation let',
  writes: true,
  run(request) {
    const { engine, command, db } = request
    const name = collectionName(request)
    const variables = variablesOf(command)
    const statements = givenDocs(request, 'updates')
    // An unknown field in one statement refuses them all.
    for (const statement of statements) checkFields('updates', statement, statementFields)
    const isMulti = (statement: Doc): boolean => statement.get('multi') === true
    if (command.has('txnNumber') && statements.some(isMulti))
      throw refusal('InvalidOptions', 'Cannot use retryable writes with multi=true')
    return runStatements(request, statements, async (statement) => {
      checkCollation(statement)
      refuseOptions(statement, 'c arrayFilters')
      const [u, query] = [statement.get('u'), statement.get('q')]
      if (u === undefined) throw missingField('update.updates.u')
      if (!isDoc(query)) throw missingField('update.updates.q')
      const multi = isMulti(statement)
      const change = parseUpdate(u, variables)
      if (multi && change.replacement)
        throw refusal('FailedToParse', 'multi update is not supported for replacement-style update')
      const upserts = isTrue(statement.get('upsert'))
      const filter = filterOf(query, variables, upserts)
      const selection = { filter, limit: multi ? 0 : 1, hint: statement.get('hint') }
      const collection = engine.catalog.find(db, name)
      let [n, nModified] = [0, 0]
      const found = await eachMatch(engine, collection, selection, (row, before) => {
        n++
        const updated = change.apply(before)
        if (!updated) return
        engine.documents.update(collection!, row, before, updated)
        nModified++
      })
      if (found > 0 || !upserts) return { n, nModified }
      return { n: 1, nModified, upserted: insertBuilt(request, filter, change).get('_id') }
    })
  },
}

/** The filter of an update. That of an upsert says what to insert, so it takes no `$expr`. */
export function filterOf(query: Doc, variables: Variables, upserts: boolean): Filter {
  const filter = parseFilter(query, variables)
  return upserts ? refuseExpression(filter) : filter
}

/** Inserts the document that an upsert builds, and returns it. */
export function insertBuilt(request: CommandRequest, filter: Filter, change: ParsedUpdate): Doc {
  const { engine, db } = request
  const doc = change.build(filter)
  engine.documents.insert(engine.collection(db, collectionName(request)), doc)
  return doc
}
