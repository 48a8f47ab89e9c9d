// The command `aggregate`, which also opens change streams. Documents pass from stage to stage one
// by one; only a sort or a group holds all of them. The stages at the front that a find has too
// ($match, $sort, $skip, $limit) become one selection, so that indexes serve them.
import { Timestamp } from 'bson'
import {
  compileStage,
  compileSteps,
  countOf,
  matchOf,
  sortOf,
  type StreamStage,
} from '../aggregate/stages.ts'
import { Doc } from '../bson/doc.ts'
import { encode } from '../bson/encode.ts'
import { toNumber } from '../bson/numbers.ts'
import { isDoc } from '../bson/type-of.ts'
import { sourceOf } from '../cursors/cursors.ts'
import { locationRefusal, refusal } from '../errors.ts'
import { isTrue } from '../expression/expression.ts'
import { ChangeStream, type ChangeStreamSpec } from '../oplog/change-stream.ts'
import { fromTimestamp, parseToken } from '../oplog/clock.ts'
import type { OplogEntry } from '../oplog/oplog.ts'
import { mapped, pause, type Flow } from '../pace.ts'
import { allOf, parseFilter, type Filter } from '../query/filter.ts'
import { select, type Selection } from '../query/select.ts'
import {
  checkFields,
  optionalCount,
  optionalDoc,
  refuseOptions,
  variablesOf,
  wrongType,
  type CommandDefinition,
  type CommandRequest,
} from './command.ts'
import { openCursor } from './cursor-commands.ts'

export const aggregate: CommandDefinition = {
  fields: 'pipeline cursor allowDiskUse bypassDocumentValidation collation hint let',
  reads: true,
  run(request) {
    const { engine, command, db } = request
    const given = command.get('pipeline')
    if (!Array.isArray(given)) throw wrongType('pipeline', given)
    const stages = given.map((stage: unknown) => {
      if (!isDoc(stage)) throw wrongType('pipeline', stage)
      if (stage.size === 1) return stage
      throw locationRefusal(40323, 'A pipeline stage must contain exactly one field.')
    })
    const cursor = command.get('cursor')
    if (!isDoc(cursor)) throw refusal('FailedToParse', "The 'cursor' option is required")
    const batchSize = optionalCount(cursor, 'batchSize') ?? 101
    const name = targetOf(command.get('aggregate'))
    const ns = `${db}.${name ?? '$cmd.aggregate'}`
    if (stages[0]?.firstName === '$changeStream') {
      const stream = openStream(request, stages, name)
      return openCursor(request, ns, stream, { batchSize })
    }
    if (name === undefined)
      throw refusal('NotImplemented', 'an aggregation without a collection is not supported')
    const { selection, rest } = parsePipeline(command, stages)
    const collection = engine.catalog.find(db, name)
    const selected = collection && select(engine, collection, selection)
    const found: Flow<Doc> = mapped(selected?.rows ?? [], ({ bytes }) => Doc.read(bytes))
    const documents = rest.reduce((flow, stage) => stage(flow), found)
    const source = sourceOf(mapped(documents, encode), selected?.pause)
    return openCursor(request, ns, source, { batchSize })
  },
}

function targetOf(target: unknown): string | undefined {
  if (typeof target === 'string') return target
  if (toNumber(target) === 1) return undefined
  throw refusal('FailedToParse', "The 'aggregate' field must specify a collection name or 1")
}

/** The selection that the front of a pipeline asks for, and the remaining stages. */
function parsePipeline(
  command: Doc,
  stages: Doc[],
): { selection: Selection; rest: readonly StreamStage[] } {
  const variables = variablesOf(command)
  const allowDiskUse = isTrue(command.get('allowDiskUse'))
  const take = (name: string): unknown =>
    stages[0]?.firstName === name ? stages.shift()!.get(name) : undefined
  const filters: Filter[] = []
  for (let match = take('$match'); match !== undefined; match = take('$match'))
    filters.push(parseFilter(matchOf(match), variables))
  const [sort, skip, limit] = [take('$sort'), take('$skip'), take('$limit')]
  const selection = {
    filter: allOf(filters),
    sort: sort === undefined ? undefined : sortOf(sort),
    skip: skip === undefined ? 0 : countOf('$skip', skip),
    limit: limit === undefined ? 0 : countOf('$limit', limit),
    hint: command.get('hint'),
    allowDiskUse,
  }
  return { selection, rest: stages.map((stage) => compileStage(stage, variables, allowDiskUse)) }
}

const startOptions = ['resumeAfter', 'startAfter', 'startAtOperationTime']
const specFields = `${startOptions.join(' ')} fullDocument fullDocumentBeforeChange allChangesForCluster showExpandedEvents`

function openStream(
  request: CommandRequest,
  stages: readonly Doc[],
  collection: string | undefined,
): ChangeStream {
  const [first, ...rest] = stages as [Doc, ...Doc[]]
  const spec = optionalDoc(first, '$changeStream')
  checkFields('$changeStream', spec, specFields)
  refuseOptions(spec, 'showExpandedEvents')
  if ((spec.get('fullDocumentBeforeChange') ?? 'off') !== 'off')
    throw refusal('NotImplemented', 'pre-images are not supported')
  const all = isTrue(spec.get('allChangesForCluster'))
  if (all && (request.db !== 'admin' || collection !== undefined))
    throw refusal('InvalidOptions', 'allChangesForCluster needs the admin database')
  return new ChangeStream(request.engine.oplog, {
    scope: { db: all ? undefined : request.db, coll: collection },
    start: startOf(spec),
    lookup: lookupOf(request, spec),
    transform: rest.length > 0 ? compileSteps(rest, variablesOf(request.command)) : undefined,
  })
}

function startOf(spec: Doc): ChangeStreamSpec['start'] {
  const given = startOptions.filter((name) => spec.has(name))
  if (given.length > 1)
    throw refusal('BadValue', `Only one type of resume option is allowed, not ${given.join(', ')}`)
  const time = spec.get('startAtOperationTime')
  if (time instanceof Timestamp) return { time: fromTimestamp(time) }
  if (time !== undefined) throw wrongType('$changeStream.startAtOperationTime', time)
  if (spec.has('startAfter')) return { token: parseToken(spec.get('startAfter')), after: true }
  if (spec.has('resumeAfter')) return { token: parseToken(spec.get('resumeAfter')), after: false }
  return undefined
}

function lookupOf({ engine }: CommandRequest, spec: Doc): ChangeStreamSpec['lookup'] {
  const mode = spec.get('fullDocument') ?? 'default'
  if (mode === 'default') return undefined
  if (mode !== 'updateLookup')
    throw refusal('NotImplemented', `fullDocument '${String(mode)}' is not supported`)
  return (entry: OplogEntry) => {
    const collection = engine.catalog.find(entry.db, entry.coll)
    if (!collection || !entry.uuid || !Buffer.from(entry.uuid).equals(collection.uuid.value()))
      return null
    const id = Doc.read(entry.key!).get('_id')
    const filter = parseFilter(Doc.of([['_id', Doc.of([['$eq', id]])]]))
    const [found] = select(engine, collection, { filter, limit: 1 }).rows
    return found && found !== pause ? found.bytes : null
  }
}
