// The commands that write documents. Each document is written completely or not at all; an ordered
// batch ends at the first refusal.
import { Doc } from '../bson/doc.ts'
import type { Plain } from '../bson/encode.ts'
import { toNumber } from '../bson/numbers.ts'
import { isDoc } from '../bson/type-of.ts'
import type { DatabaseEngine } from '../engine.ts'
import { refusal, ServerError } from '../errors.ts'
import { isTrue, type Variables } from '../expression/expression.ts'
import { pace } from '../pace.ts'
import { parseFilter, refuseExpression, type Filter } from '../query/filter.ts'
import { compileProjection } from '../query/projection.ts'
import { eachRow, select, type Selection } from '../query/select.ts'
import { parseSort } from '../query/sort.ts'
import type { Collection } from '../storage/catalog.ts'
import { parseUpdate, type ParsedUpdate } from '../update/update.ts'
import {
  checkCollation,
  checkFields,
  collectionName,
  givenDocs,
  missingField,
  optionalDoc,
  refuseOptions,
  variablesOf,
  type CommandDefinition,
  type CommandReply,
  type CommandRequest,
} from './command.ts'

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
function insertBuilt(request: CommandRequest, filter: Filter, change: ParsedUpdate): Doc {
  const { engine, db } = request
  const doc = change.build(filter)
  engine.documents.insert(engine.collection(db, collectionName(request)), doc)
  return doc
}

const MAX_STATEMENTS = 100_000

/**
 * Runs `execute` for each statement. The outcome has `n` and may have `nModified` and `upserted`
 * (an `_id`). It is stored, so that a repeated statement gets the same outcome.
 */
async function runStatements(
  request: CommandRequest,
  statements: readonly Doc[],
  execute: (statement: Doc, at: number) => Plain | Promise<Plain>,
): Promise<CommandReply> {
  if (statements.length === 0 || statements.length > MAX_STATEMENTS)
    throw refusal('InvalidLength', `Write batch sizes must be between 1 and ${MAX_STATEMENTS}`)
  const ordered = request.command.get('ordered') !== false
  const retry = request.engine.retryableWrites.open(request.command)
  let [n, nModified] = [0, 0]
  const [upserted, writeErrors, retriedStmtIds]: [Plain[], Plain[], number[]] = [[], [], []]
  try {
    for (const [index, statement] of statements.entries()) {
      const repeated = retry?.find(index)
      if (repeated) retriedStmtIds.push(index)
      try {
        const result = repeated ?? execute(statement, index)
        const outcome = result instanceof Promise ? await result : result
        if (!repeated) retry?.add(index, outcome)
        n += toNumber(outcome.n) ?? 0
        nModified += toNumber(outcome.nModified) ?? 0
        if (Object.hasOwn(outcome, 'upserted')) upserted.push({ index, _id: outcome.upserted })
      } catch (error) {
        if (!(error instanceof ServerError)) throw error
        writeErrors.push({ index, code: error.code, ...error.extra, errmsg: error.message })
        if (ordered) break
      }
      if (pace.isDue && index < statements.length - 1) {
        // The statements so far are about to be committed, and their outcomes must be in the same
        // commit.
        retry?.save()
        await pace.rest()
      }
    }
  } finally {
    retry?.save()
  }
  const lists = Object.entries({ upserted, writeErrors, retriedStmtIds })
  const modified = request.name === 'update' ? { nModified } : {}
  const filled = Object.fromEntries(lists.filter(([, list]) => list.length > 0))
  return { n, ...modified, ...filled }
}

/**
 * Visits all documents that match. Their rows are found before the first one is changed, so that a
 * write can't select its own results. Documents may change until their turn comes, so each is read
 * and compared with the filter again. Returns the number of the rows that were found.
 */
async function eachMatch(
  engine: DatabaseEngine,
  collection: Collection | undefined,
  selection: Selection,
  visit: (row: number, doc: Doc) => void,
): Promise<number> {
  if (!collection) return 0
  const rows: number[] = []
  await eachRow(select(engine, collection, selection), ({ row }) => rows.push(row))
  for (const row of rows) {
    const bytes = collection.dropped ? undefined : engine.documents.find(collection, row)
    const doc = bytes && Doc.read(bytes)
    if (doc && selection.filter.matches(doc)) visit(row, doc)
    if (rows.length > 1 && pace.isDue) await pace.rest()
  }
  return rows.length
}

export const findAndModify: CommandDefinition = {
  fields: 'query sort remove update new fields upsert bypassDocumentValidation collation hint let',
  refused: 'arrayFilters',
  writes: true,
  async run(request) {
    const { engine, command } = request
    const removes = isTrue(command.get('remove'))
    if (removes === command.has('update'))
      throw refusal('FailedToParse', 'Either an update or remove=true must be specified')
    if (removes && (isTrue(command.get('upsert')) || isTrue(command.get('new'))))
      throw refusal('FailedToParse', 'Cannot specify upsert=true or new=true with remove=true')
    const retry = engine.retryableWrites.open(command)
    const repeated = retry?.find(0)
    if (repeated) return { ...repeated, retriedStmtId: 0 }
    const outcome = await modify(request, removes)
    retry?.add(0, outcome)
    retry?.save()
    return { ...outcome }
  },
}

async function modify(request: CommandRequest, removes: boolean): Promise<Plain> {
  const { engine, command, db } = request
  const variables = variablesOf(command)
  const fields = optionalDoc(command, 'fields')
  const project = fields.size > 0 ? compileProjection(fields, variables) : (doc: Doc) => doc
  const [upserts, returnsNew] = [isTrue(command.get('upsert')), isTrue(command.get('new'))]
  const change = removes ? undefined : parseUpdate(command.get('update'), variables)
  const given = parseFilter(optionalDoc(command, 'query'), variables)
  const filter = upserts ? refuseExpression(given) : given
  const sort = parseSort(command.get('sort') ?? undefined)
  const selection = { filter, sort, limit: 1, hint: command.get('hint') }
  for (;;) {
    const collection = engine.catalog.find(db, collectionName(request))
    const outcomes: Plain[] = []
    // An outcome that can't be shown must not have been written either.
    const conclude = (work: () => Plain): unknown =>
      outcomes.push(engine.documents.atomically(work))
    const found = await eachMatch(engine, collection, selection, (row, before) =>
      conclude(() => {
        if (!change) {
          engine.documents.delete(collection!, row, before.encoded!)
          return { lastErrorObject: { n: 1 }, value: project(before) }
        }
        const updated = change.apply(before)
        if (updated) engine.documents.update(collection!, row, before, updated)
        const value = project(returnsNew && updated ? updated.doc : before)
        return { lastErrorObject: { n: 1, updatedExisting: true }, value }
      }),
    )
    if (found === 0)
      conclude(() => {
        const nothing = { lastErrorObject: { n: 0, ...(change && { updatedExisting: false }) } }
        if (!change || !upserts) return { ...nothing, value: null }
        const doc = insertBuilt(request, filter, change)
        const lastErrorObject = { n: 1, updatedExisting: false, upserted: doc.get('_id') }
        return { lastErrorObject, value: returnsNew ? project(doc) : null }
      })
    // Another command may have changed the document during the search; then no row matches.
    if (outcomes[0]) return outcomes[0]
  }
}
