// The command `findAndModify`. It changes or deletes one document and returns the document as it
// was before or after.
import { Doc } from '../bson/doc.ts'
import type { Plain } from '../bson/encode.ts'
import { refusal } from '../errors.ts'
import { isTrue } from '../expression/truth.ts'
import { parseFilter, refuseExpression } from '../query/filter.ts'
import { compileFilter } from '../query/match.ts'
import type { MatchTrace } from '../query/path.ts'
import { compileProjection, type DocumentTransform } from '../query/projection.ts'
import type { Selection } from '../query/select.ts'
import { parseSort } from '../query/sort.ts'
import type { Collection } from '../storage/catalog.ts'
import { parseUpdate } from '../update/update.ts'
import {
  checkCollation,
  collectionName,
  optionalDoc,
  variablesOf,
  type CommandDefinition,
  type CommandRequest,
} from './command.ts'
import { matchingRows } from './matching-rows.ts'
import { insertBuilt } from './update.ts'

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
  async run(request) {
    const { engine, command } = request
    checkCollation(command)
    const removing = isTrue(command.get('remove'))
    if (removing === command.has('update'))
      throw refusal(
        'FailedToParse',
        removing
          ? 'Cannot specify both an update and remove=true'
          : 'Either an update or remove=true must be specified',
      )
    if (removing && isTrue(command.get('upsert')))
      throw refusal('FailedToParse', 'Cannot specify both upsert=true and remove=true')
    if (removing && command.has('arrayFilters'))
      throw refusal('FailedToParse', 'Cannot specify arrayFilters and remove=true')
    if (removing && isTrue(command.get('new')))
      throw refusal(
        'FailedToParse',
        "Cannot specify both new=true and remove=true; 'remove' always returns the deleted document",
      )
    const retry = engine.retryableWrites.open(command)
    const number = retry?.numberOf(0) ?? 0
    const repeated = retry?.find(number)
    if (repeated) return { body: { ...repeated, retriedStmtId: number } }
    const outcome = await modify(request, removing)
    retry?.add(number, outcome)
    retry?.save()
    return { body: { ...outcome } }
  },
}

async function modify(request: CommandRequest, removing: boolean): Promise<Plain> {
  const { engine, command, db } = request
  const variables = variablesOf(command)
  const fields = optionalDoc(command, 'fields')
  const u = command.get('update')
  const change = removing ? undefined : parseUpdate(u, command.get('arrayFilters'), variables)
  const filter = parseFilter(optionalDoc(command, 'query'), variables)
  const projection = fields.size > 0 ? compileProjection(fields, variables) : undefined
  const selection: Selection = {
    filter: isTrue(command.get('upsert')) ? refuseExpression(filter) : filter,
    sort: parseSort(command.get('sort') ?? undefined),
    limit: 1,
    hint: command.get('hint'),
  }
  const matches = compileFilter(selection.filter)
  for (;;) {
    const collection = engine.catalog.find(db, collectionName(request))
    const [found] = collection ? await matchingRows(engine, collection, selection) : []
    const bytes = found && engine.documents.find(collection!, found.row)
    const trace: MatchTrace = { index: undefined }
    // The document may have changed while it was looked for.
    if (found && !(bytes && matches(Doc.read(bytes), trace))) continue
    const existing = found && { collection: collection!, row: found.row, before: Doc.read(bytes!) }
    // An outcome that can't be shown must not have been written either.
    return engine.writer.atomically(() => {
      if (!existing) return change ? upsert(request, selection, change, projection) : missing
      if (!change) {
        engine.writer.delete(existing.collection, existing.row, bytes!)
        return { lastErrorObject: { n: 1 }, value: shown(existing.before, projection) }
      }
      return applyTo(request, existing, change, projection, trace)
    })
  }
}

const missing: Plain = { lastErrorObject: { n: 0 }, value: null }

interface Existing {
  readonly collection: Collection
  readonly row: number
  readonly before: Doc
}

function applyTo(
  { engine, command }: CommandRequest,
  { collection, row, before }: Existing,
  change: ReturnType<typeof parseUpdate>,
  projection: DocumentTransform | undefined,
  trace: MatchTrace,
): Plain {
  const updated = change.apply(before, trace.index)
  if (updated) engine.writer.update(collection, row, before, updated)
  const doc = isTrue(command.get('new')) ? (updated?.doc ?? before) : before
  return {
    lastErrorObject: { n: 1, updatedExisting: true },
    value: shown(doc, projection),
  }
}

function upsert(
  request: CommandRequest,
  selection: Selection,
  change: ReturnType<typeof parseUpdate>,
  projection: DocumentTransform | undefined,
): Plain {
  const { command } = request
  if (!isTrue(command.get('upsert')))
    return { lastErrorObject: { n: 0, updatedExisting: false }, value: null }
  const doc = insertBuilt(request, selection, change)
  return {
    lastErrorObject: { n: 1, updatedExisting: false, upserted: doc.get('_id') },
    value: isTrue(command.get('new')) ? shown(doc, projection) : null,
  }
}

function shown(doc: Doc, projection: DocumentTransform | undefined): Doc {
  return projection ? projection(doc) : doc
}
