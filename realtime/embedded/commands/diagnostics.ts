// The commands with which a driver or a person asks what the server is and how it does.
import { Long, ObjectId } from 'bson'
import type { Plain } from '../bson/encode.ts'
import { toNumber } from '../bson/numbers.ts'
import { isDoc } from '../bson/type-of.ts'
import type { DatabaseEngine } from '../engine.ts'
import { refusal } from '../errors.ts'
import { toTimestamp } from '../oplog/clock.ts'
import { planQuery } from '../plan/planner.ts'
import { MAX_MESSAGE_BYTES } from '../wire/message.ts'
import {
  ANY_FIELDS,
  type CommandDefinition,
  type CommandReply,
  type CommandRequest,
  pause,
} from './command.ts'
import { selectionOf } from './find.ts'

const REPLICA_SET_NAME = 'embedded'
const electionId = new ObjectId('7fffffff0000000000000001')

/** The version of MongoDB whose behaviour the server has. */
const SERVER_VERSION = '5.0.0'
const MAX_WIRE_VERSION = 13

const answering = (fields: string, run: CommandDefinition['run']) => ({ fields, run })

/** Whether the command is a `hello` of a driver that knows this server and waits for news of it. */
export function awaitsNews({ command }: Pick<CommandRequest, 'command'>, engine: DatabaseEngine) {
  const topology = command.get('topologyVersion')
  const processId = isDoc(topology) ? topology.get('processId') : undefined
  const isKnown = processId instanceof ObjectId && processId.equals(engine.processId)
  return isKnown && toNumber(command.get('maxAwaitTimeMS')) !== undefined
}

/**
 * `hello` and `isMaster`. A field of a handshake that the server doesn't know asks for nothing.
 * There is never news of the only node, so a driver waits all of its time, or until the server
 * stops. It mustn't have to ask now and then instead: the driver for Node.js never asks again if
 * its connection breaks just before it does.
 */
export const hello = answering(ANY_FIELDS, async (request) => {
  const { command, engine } = request
  if (awaitsNews(request, engine)) await pause(toNumber(command.get('maxAwaitTimeMS'))!, request)
  return description(request)
})

function description({ engine, name }: CommandRequest): CommandReply {
  const me = engine.address
  const last = { ts: toTimestamp(engine.oplog.now), t: Long.ONE }
  const now = new Date()
  return {
    ...(name === 'hello' ? { isWritablePrimary: true } : { ismaster: true }),
    helloOk: true,
    topologyVersion: { processId: engine.processId, counter: Long.ZERO },
    hosts: [me],
    setName: REPLICA_SET_NAME,
    setVersion: 1,
    secondary: false,
    primary: me,
    me,
    electionId,
    lastWrite: { opTime: last, lastWriteDate: now, majorityOpTime: last, majorityWriteDate: now },
    maxBsonObjectSize: 16 * 1024 * 1024,
    maxMessageSizeBytes: MAX_MESSAGE_BYTES,
    maxWriteBatchSize: 100_000,
    localTime: now,
    logicalSessionTimeoutMinutes: 30,
    minWireVersion: 0,
    maxWireVersion: MAX_WIRE_VERSION,
    readOnly: false,
    ok: 1,
  }
}

export const ping = answering('', () => ({}))

export const buildInfo = answering('', () => ({
  version: SERVER_VERSION,
  gitVersion: 'embedded',
  modules: ['embedded'],
  versionArray: SERVER_VERSION.split('.').map(Number).concat(0),
  bits: 64,
  debug: false,
  maxBsonObjectSize: 16 * 1024 * 1024,
  storageEngines: ['sqlite'],
}))

export const serverStatus = answering('repl metrics locks tcmalloc', ({ engine }) => ({
  version: SERVER_VERSION,
  process: 'embedded',
  localTime: new Date(),
  metrics: { cursor: { open: { total: new Long(engine.cursors.size) } } },
  repl: { setName: REPLICA_SET_NAME, isWritablePrimary: true, hosts: [engine.address] },
}))

/** `backup` makes a file with everything in the data directory, and says which. */
export const backup = answering('', async ({ engine }) => ({ file: await engine.backup() }))

/** Makes the files forget what has been deleted or replaced until now. */
export const eraseDeleted = answering('', ({ engine }) => {
  engine.eraseDeleted()
  return {}
})

export const explain = answering('verbosity', ({ engine, command, db }) => {
  const inner = command.get('explain')
  if (!isDoc(inner) || inner.firstName !== 'find')
    throw refusal('NotImplemented', 'explain of other commands than find is not supported')
  const name = String(inner.get('find'))
  const collection = engine.catalog.find(db, name)
  const selection = selectionOf(inner, 'filter')
  const namespace = `${db}.${name}`
  if (!collection) return { queryPlanner: { namespace, winningPlan: { stage: 'EOF' } } }
  const { filter, sort, hint } = selection
  const { ranges, sorted } = planQuery(collection, filter, sort, hint)
  const direction = ranges?.[0]?.reverse ? 'backward' : 'forward'
  const indexes = new Set(ranges?.map(({ index }) => index))
  const scans = Array.from(indexes, ({ keyPattern, name: indexName, multikey }): Plain => {
    return { stage: 'IXSCAN', keyPattern, indexName, isMultiKey: multikey.some(Boolean), direction }
  })
  if (!ranges) scans.push({ stage: 'COLLSCAN', direction })
  const access = scans.length === 1 ? scans[0]! : { stage: 'OR', inputStages: scans }
  const winningPlan = sorted ? access : { stage: 'SORT', inputStage: access }
  return { queryPlanner: { namespace, winningPlan, rejectedPlans: [] } }
})
