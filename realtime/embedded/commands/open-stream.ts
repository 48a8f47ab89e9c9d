// Opens a change stream: checks the stage `$changeStream` and the stages after it, and compiles
// them.
import { Timestamp } from 'bson'
import { compileSteps } from '../aggregate/stages.ts'
import { Doc } from '../bson/doc.ts'
import { refusal } from '../errors.ts'
import { isTrue } from '../expression/expression.ts'
import { ChangeStream, type ChangeStreamSpec } from '../oplog/change-stream.ts'
import { fromTimestamp } from '../oplog/clock.ts'
import type { OplogEntry } from '../oplog/oplog.ts'
import { parseToken } from '../oplog/token.ts'
import { pause } from '../pace.ts'
import { parseFilter } from '../query/filter.ts'
import { select } from '../query/select.ts'
import {
  checkFields,
  optionalDoc,
  refuseOptions,
  variablesOf,
  wrongType,
  type CommandRequest,
} from './command.ts'

const startOptions = ['resumeAfter', 'startAfter', 'startAtOperationTime']
const specFields = `${startOptions.join(' ')} fullDocument fullDocumentBeforeChange allChangesForCluster showExpandedEvents`

/** Opens the change stream that a pipeline describes. */
export function openStream(
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
