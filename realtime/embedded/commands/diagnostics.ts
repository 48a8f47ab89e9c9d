// What a driver asks about the server: who it is, whether it lives, what it can do.
import { hostname } from 'node:os'
import { Long, ObjectId } from 'bson'
import { isDoc, type Doc } from '../bson/codec.ts'
import { toNumber } from '../bson/numbers.ts'
import type { Engine } from '../engine.ts'
import { refusal, ServerError } from '../errors.ts'
import { toTimestamp } from '../oplog/clock.ts'
import { maxMessageBytes } from '../wire/message.ts'
import type { Reply } from './reply.ts'
import type { Command, Request } from './request.ts'
import { parseFilter } from '../query/filter.ts'
import { plan } from '../plan/planner.ts'
import { selectionOf } from './find.ts'

const setName = 'embedded'
const electionId = new ObjectId('7fffffff0000000000000001')

/** The server's version: the semantics it follows. */
const version = '7.0.0'
const maxWireVersion = 21

/** `hello` and its old name, with streaming to drivers that watch the topology. */
export const hello: Command = {
  // Drivers add fields to their handshake over the years; unknown ones ask for nothing.
  fields: 'any',
  run(request: Request): Reply | Promise<Reply> {
    const { command, connection, engine } = request
    if (isDoc(command.client) && isDoc(command.client.application)) {
      const { name } = command.client.application
      if (typeof name === 'string') connection.appName = name
    }
    const awaited = toNumber(command.maxAwaitTimeMS)
    const topology = command.topologyVersion
    if (awaited === undefined || !isDoc(topology))
      return { body: description(engine, request.name) }
    const known =
      topology.processId instanceof ObjectId && topology.processId.equals(engine.processId)
    if (!known) return { body: description(engine, request.name) }
    return awaitChange(request, awaited)
  },
}

function awaitChange(request: Request, ms: number): Promise<Reply> {
  const { connection, stopping, engine, name } = request
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer)
      connection.closed.removeEventListener('abort', end)
      stopping.removeEventListener('abort', end)
      resolve({ body: description(engine, name), next: () => awaitChange(request, ms) })
    }
    const timer = setTimeout(end, ms)
    connection.closed.addEventListener('abort', end)
    stopping.addEventListener('abort', end)
  })
}

function description(engine: Engine, name: string): Doc {
  const me = `${hostname()}:27017`
  const last = { ts: toTimestamp(engine.oplog.clock.now), t: Long.ONE }
  const now = new Date()
  return {
    ...(name === 'hello' ? { isWritablePrimary: true } : { ismaster: true }),
    helloOk: true,
    topologyVersion: { processId: engine.processId, counter: Long.ZERO },
    hosts: [me],
    setName,
    setVersion: 1,
    secondary: false,
    primary: me,
    me,
    electionId,
    lastWrite: { opTime: last, lastWriteDate: now, majorityOpTime: last, majorityWriteDate: now },
    maxBsonObjectSize: 16 * 1024 * 1024,
    maxMessageSizeBytes: maxMessageBytes,
    maxWriteBatchSize: 100_000,
    localTime: now,
    logicalSessionTimeoutMinutes: 30,
    minWireVersion: 0,
    maxWireVersion,
    readOnly: false,
    ok: 1,
  }
}

function answering(fields: readonly string[], body: (request: Request) => Doc): Command {
  return { fields, run: (request) => ({ body: body(request) }) }
}

/** `ping`. */
export const ping = answering([], () => ({}))

/** `buildInfo`. */
export const buildInfo = answering([], () => ({
  version,
  gitVersion: 'embedded',
  modules: ['embedded'],
  versionArray: version.split('.').map(Number).concat(0),
  bits: 64,
  debug: false,
  maxBsonObjectSize: 16 * 1024 * 1024,
  storageEngines: ['sqlite'],
}))

/** `serverStatus`: the few figures there are. */
export const serverStatus = answering(['repl', 'metrics', 'locks', 'tcmalloc'], ({ engine }) => ({
  host: hostname(),
  version,
  process: 'embedded',
  pid: new Long(process.pid),
  uptime: Math.floor((Date.now() - engine.startedAt) / 1000),
  localTime: new Date(),
  metrics: { cursor: { open: { total: new Long(engine.cursors.size) } } },
  storageEngine: { name: 'sqlite' },
  repl: { setName, isWritablePrimary: true, hosts: [`${hostname()}:27017`] },
}))

/** `connectionStatus`: nobody authenticates here. */
export const connectionStatus = answering(['showPrivileges'], () => ({
  authInfo: { authenticatedUsers: [], authenticatedUserRoles: [] },
}))

/** `getParameter`: whether test commands are on, and the feature version. */
export const getParameter = answering(
  [
    'enableTestCommands',
    'featureCompatibilityVersion',
    'transactionLifetimeLimitSeconds',
    'authenticationMechanisms',
    'allParameters',
    'requireApiVersion',
    'acceptApiVersion2',
  ],
  (request) => {
    const all: Doc = {
      enableTestCommands: request.engine.parameters.testCommands,
      featureCompatibilityVersion: { version: '7.0' },
      requireApiVersion: false,
    }
    const everything = request.command.getParameter === '*'
    const wanted = Object.keys(all).filter(
      (name) => everything || request.command[name] !== undefined,
    )
    if (wanted.length === 0) throw refusal('InvalidOptions', 'no option found to get')
    return Object.fromEntries(wanted.map((name) => [name, all[name]]))
  },
)

/** `configureFailPoint`, where test commands are enabled. */
export const configureFailPoint = answering(['mode', 'data'], ({ engine, command, db }) => {
  if (!engine.parameters.testCommands)
    throw refusal('CommandNotFound', "no such command: 'configureFailPoint'")
  if (db !== 'admin')
    throw refusal('Unauthorized', 'configureFailPoint may only be run against the admin database.')
  engine.failPoints.configure(command)
  return { count: 0 }
})

/** Refused as a server that is no replica set member in this respect refuses them. */
export const noTransactions = answering(['recoveryToken'], () => {
  throw new ServerError('NoSuchTransaction', 251, 'Transactions are not supported by this server')
})

/** `explain` of a find, count, distinct, delete, update or aggregate: which index would be used. */
export const explain = answering(['verbosity'], ({ engine, command, db }) => {
  const inner = command.explain
  if (!isDoc(inner)) throw refusal('TypeMismatch', 'explain needs a command')
  const [name] = Object.keys(inner) as [string]
  const collection = engine.catalog.find(db, String(inner[name]))
  const filterField = name === 'find' ? 'filter' : 'query'
  if (!['find', 'count', 'distinct'].includes(name))
    throw refusal('NotImplemented', `explain of ${name} is not supported`)
  const selection = selectionOf(inner, filterField)
  if (!collection)
    return {
      queryPlanner: { namespace: `${db}.${String(inner[name])}`, winningPlan: { stage: 'EOF' } },
    }
  const chosen = plan(
    collection,
    selection.filter ?? parseFilter({}),
    selection.sort,
    selection.hint,
  )
  const scan = chosen.scans
    ? chosen.scans.map(({ index, reverse }) => ({
        stage: 'IXSCAN',
        keyPattern: index.keyPattern,
        indexName: index.name,
        isMultiKey: index.multikey.some(Boolean),
        direction: reverse ? 'backward' : 'forward',
      }))
    : [{ stage: 'COLLSCAN', direction: chosen.reverseNatural ? 'backward' : 'forward' }]
  const access: Doc = scan.length === 1 ? scan[0]! : { stage: 'OR', inputStages: scan }
  const winningPlan: Doc = chosen.sorted ? access : { stage: 'SORT', inputStage: access }
  return { queryPlanner: { namespace: collection.ns, winningPlan, rejectedPlans: [] } }
})
