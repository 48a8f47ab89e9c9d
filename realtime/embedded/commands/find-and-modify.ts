// The command `findAndModify`. It changes or deletes one document and returns the document as it
// was before or after.
import type { Doc } from '../bson/doc.ts'
import type { Plain } from '../bson/encode.ts'
import { refusal } from '../errors.ts'
import { isTrue } from '../expression/expression.ts'
import { parseFilter, refuseExpression } from '../query/filter.ts'
import { compileProjection } from '../query/projection.ts'
import { parseSort } from '../query/sort.ts'
import { parseUpdate } from '../update/update.ts'
import {
  checkCollation,
  collectionName,
  optionalDoc,
  refuseOptions,
  variablesOf,
  type CommandDefinition,
  type CommandRequest,
} from './command.ts'
import { eachMatch } from './statements.ts'
import { insertBuilt } from './writes.ts'

export const findAndModify: CommandDefinition = {
  fields:
    'query sort remove update new fields upsert bypassDocumentValidation collation arrayFilters hint let',
  writes: true,
  async run(request) {
    const { engine, command } = request
    checkCollation(command)
    refuseOptions(command, 'arrayFilters')
    const removes = isTrue(command.get('remove'))
    if (removes === command.has('update'))
      throw refusal('FailedToParse', 'Either an update or remove=true must be specified')
    if (removes && (isTrue(command.get('upsert')) || isTrue(command.get('new'))))
      throw refusal('FailedToParse', 'Cannot specify upsert=true or new=true with remove=true')
    const retry = engine.retryableWrites.open(command)
    const repeated = retry?.find(0)
    if (repeated) return { body: { ...repeated, retriedStmtId: 0 } }
    const outcome = await modify(request, removes)
    retry?.add(0, outcome)
    retry?.save()
    return { body: { ...outcome } }
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
