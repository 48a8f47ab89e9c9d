// The commands `insert`, `delete` and `update`. Each document is written completely or not at all;
// an ordered batch ends at the first refusal.
import type { Doc } from '../bson/doc.ts'
import { toNumber } from '../bson/numbers.ts'
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
import { eachMatch, runStatements } from './statements.ts'

export const insert: CommandDefinition = {
  fields: 'documents ordered bypassDocumentValidation',
  writes: true,
  run(request) {
    const name = collectionName(request)
    const { engine, db } = request
    engine.store.requireSpace()
    return runStatements(request, givenDocs(request, 'documents'), (doc) => {
      engine.documents.insert(engine.collection(db, name), doc)
      return { n: 1 }
    })
  },
}

export const remove: CommandDefinition = {
  fields: 'deletes ordered let',
  writes: true,
  run(request) {
    const { engine, command, db } = request
    const name = collectionName(request)
    const variables = variablesOf(command)
    const limitOf = (statement: Doc) => toNumber(statement.get('limit'))
    const isMany = (statement: Doc): boolean => limitOf(statement) === 0
    const statements = statementsOf(request, 'deletes', 'q limit collation hint', isMany)
    return runStatements(request, statements, async (statement) => {
      if (!statement.has('limit')) throw missingField('delete.deletes.limit')
      const limit = limitOf(statement)
      if (limit !== 0 && limit !== 1)
        throw refusal('FailedToParse', 'The limit field in delete objects must be 0 or 1')
      const filter = filterOf(statement, variables, false)
      const collection = engine.catalog.find(db, name)
      let n = 0
      const selection = { filter, limit, hint: statement.get('hint') }
      await eachMatch(engine, collection, selection, (row, doc) => {
        engine.documents.delete(collection!, row, doc.encoded!)
        n++
      })
      return { n }
    })
  },
}

const updateFields = 'q u c multi upsert collation arrayFilters hint'

export const update: CommandDefinition = {
  fields: 'updates ordered bypassDocumentValidation let',
  writes: true,
  run(request) {
    const { engine, command, db } = request
    const name = collectionName(request)
    const variables = variablesOf(command)
    const isMany = (statement: Doc): boolean => statement.get('multi') === true
    const statements = statementsOf(request, 'updates', updateFields, isMany)
    return runStatements(request, statements, async (statement) => {
      refuseOptions(statement, 'c arrayFilters')
      const u = statement.get('u')
      if (u === undefined) throw missingField('update.updates.u')
      const upserts = isTrue(statement.get('upsert'))
      const filter = filterOf(statement, variables, upserts)
      const change = parseUpdate(u, variables)
      if (isMany(statement) && change.replacement)
        throw refusal('FailedToParse', 'multi update is not supported for replacement-style update')
      const limit = isMany(statement) ? 0 : 1
      const selection = { filter, limit, hint: statement.get('hint') }
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

/** The statements of a command. An unknown field in one of them refuses them all. */
function statementsOf(
  request: CommandRequest,
  field: string,
  known: string,
  isMany: (statement: Doc) => boolean,
): readonly Doc[] {
  const statements = givenDocs(request, field)
  for (const statement of statements) checkFields(field, statement, known)
  if (request.command.has('txnNumber') && statements.some(isMany))
    throw refusal('InvalidOptions', 'Cannot use retryable writes on many documents')
  return statements
}

/** The filter of a statement. That of an upsert says what to insert, so it takes no `$expr`. */
function filterOf(statement: Doc, variables: Variables, upserts: boolean): Filter {
  checkCollation(statement)
  const query = statement.get('q')
  if (!isDoc(query)) throw missingField('q')
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
