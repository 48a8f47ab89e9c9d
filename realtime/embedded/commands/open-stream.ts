// Opens a change stream: checks the stage `$changeStream` and the stages after it, and compiles
// them.
import { Timestamp } from 'bson'
import { compileDocumentStage } from '../aggregate/document-stages.ts'
import { Doc } from '../bson/doc.ts'
import { isDoc } from '../bson/type-of.ts'
import { locationRefusal, refusal } from '../errors.ts'
import { ChangeStream, type ChangeStreamSpec } from '../oplog/change-stream.ts'
import { fromTimestamp } from '../oplog/clock.ts'
import type { OplogEntry } from '../oplog/oplog.ts'
import { parseToken } from '../oplog/token.ts'
import type { Variables } from '../expression/expression.ts'
import { isTrue } from '../expression/truth.ts'
import { parseFilter } from '../query/filter.ts'
import { compileFilter } from '../query/match.ts'
import { pause } from '../pace.ts'
import { select } from '../query/select.ts'
import { checkFields, optionalDoc, variablesOf, type CommandRequest } from './command.ts'

const specFields = [
  'fullDocument',
  'fullDocumentBeforeChange',
  'resumeAfter',
  'startAfter',
  'startAtOperationTime',
  'allChangesForCluster',
  'showExpandedEvents',
]

/** Opens the change stream that a pipeline describes. */
export function openStream(
  request: CommandRequest,
  stages: readonly Doc[],
  collection: string | undefined,
): ChangeStream {
  const [first, ...rest] = stages as [Doc, ...Doc[]]
  const spec = optionalDoc(first, '$changeStream')
  checkFields('$changeStream', spec, specFields)
  if (isTrue(spec.get('showExpandedEvents')))
    throw refusal('NotImplemented', 'showExpandedEvents is not supported')
  if ((spec.get('fullDocumentBeforeChange') ?? 'off') !== 'off') {
    throw refusal('NotImplemented', 'pre-images are not supported')
  }
  const all = isTrue(spec.get('allChangesForCluster'))
  if (all && (request.db !== 'admin' || collection !== undefined)) {
    throw refusal(
      'InvalidOptions',
      "A $changeStream with 'allChangesForCluster:true' may only be opened on the 'admin' database",
    )
  }
  return new ChangeStream(request.engine.oplog, {
    scope: { db: all ? undefined : request.db, coll: collection },
    start: startOf(spec),
    lookup: lookupOf(request, spec),
    transform: transformOf(rest, variablesOf(request.command)),
  })
}

function startOf(spec: Doc): ChangeStreamSpec['start'] {
  const given = ['resumeAfter', 'startAfter', 'startAtOperationTime'].filter((name) =>
    spec.has(name),
  )
  if (given.length > 1)
    throw refusal(
      'BadValue',
      `Only one type of resume option is allowed, but multiple were found: ${given.join(', ')}`,
    )
  const time = spec.get('startAtOperationTime')
  if (time !== undefined) {
    if (!(time instanceof Timestamp))
      throw refusal(
        'TypeMismatch',
        "BSON field '$changeStream.startAtOperationTime' is the wrong type, expected type 'timestamp'",
      )
    return { time: fromTimestamp(time) }
  }
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
    const found = select(engine, collection, { filter, limit: 1 }).next()
    return found && found !== pause ? found.bytes : null
  }
}

const documentStages = new Set([
  '$match',
  '$project',
  '$addFields',
  '$set',
  '$unset',
  '$replaceRoot',
  '$replaceWith',
])

function transformOf(stages: readonly Doc[], variables: Variables): ChangeStreamSpec['transform'] {
  if (stages.length === 0) return undefined
  const steps = stages.map((stage) => {
    const name = stage.firstName
    if (name === '$match') return matching(stage.get(name), variables)
    if (!documentStages.has(name)) {
      const known = name === '$redact' || name === '$changeStreamSplitLargeEvent'
      if (known) throw refusal('NotImplemented', `${name} is not supported`)
      if (!otherStages.has(name))
        throw locationRefusal(40324, `Unrecognized pipeline stage name: '${name}'`)
      throw refusal('IllegalOperation', `${name} is not permitted in a $changeStream pipeline`)
    }
    return compileDocumentStage(name, stage.get(name), variables)!
  })
  return (event) => {
    let current: Doc | undefined = event
    for (const step of steps) {
      current = step(current)
      if (current === undefined) return undefined
    }
    return current
  }
}

const otherStages = new Set([
  '$group',
  '$sort',
  '$limit',
  '$skip',
  '$count',
  '$unwind',
  '$facet',
  '$lookup',
  '$out',
  '$merge',
  '$sample',
  '$bucket',
  '$sortByCount',
  '$geoNear',
  '$unionWith',
])

function matching(operand: unknown, variables: Variables): (event: Doc) => Doc | undefined {
  if (!isDoc(operand))
    throw locationRefusal(15959, 'the match filter must be an expression in an object')
  const matches = compileFilter(parseFilter(operand, variables))
  return (event) => (matches(event) ? event : undefined)
}
