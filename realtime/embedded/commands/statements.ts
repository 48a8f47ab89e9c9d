// What the commands that write share: running their statements one after the other, and finding the
// documents of a statement.
import { Doc } from '../bson/doc.ts'
import type { Plain } from '../bson/encode.ts'
import { toNumber } from '../bson/numbers.ts'
import type { DatabaseEngine } from '../engine.ts'
import { refusal, ServerError } from '../errors.ts'
import { pace } from '../pace.ts'
import { compileFilter } from '../query/filter.ts'
import { eachRow, select, type Selection } from '../query/select.ts'
import type { Collection } from '../storage/catalog.ts'
import type { CommandReply, CommandRequest } from './command.ts'

const MAX_STATEMENTS = 100_000

/**
 * Runs `execute` for each statement. The outcome has `n` and may have `nModified` and `upserted`
 * (an `_id`). It is stored, so that a repeated statement gets the same outcome.
 */
export async function runStatements(
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
  return { body: { n, ...modified, ...filled } }
}

/**
 * Visits all documents that match. Their rows are found before the first one is changed, so that a
 * write can't select its own results. Documents may change until their turn comes, so each is read
 * and compared with the filter again. Returns the number of the rows that were found.
 */
export async function eachMatch(
  engine: DatabaseEngine,
  collection: Collection | undefined,
  selection: Selection,
  visit: (row: number, doc: Doc) => void,
): Promise<number> {
  if (!collection) return 0
  const rows: number[] = []
  await eachRow(select(engine, collection, selection), ({ row }) => rows.push(row))
  const matches = compileFilter(selection.filter)
  for (const row of rows) {
    const bytes = collection.dropped ? undefined : engine.documents.find(collection, row)
    const doc = bytes && Doc.read(bytes)
    if (doc && matches(doc)) visit(row, doc)
    if (rows.length > 1 && pace.isDue) await pace.rest()
  }
  return rows.length
}
