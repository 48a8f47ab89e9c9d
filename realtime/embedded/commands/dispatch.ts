// The only way from a message to its reply: fail points, the checks that apply to all commands, and
// the command itself. Whatever is thrown on that way becomes MongoDB's error document here.
import { Binary, Long } from 'bson'
import type { Doc } from '../bson/doc.ts'
import type { Plain } from '../bson/encode.ts'
import { isDoc } from '../bson/type-of.ts'
import { toNumber } from '../bson/numbers.ts'
import type { DatabaseEngine } from '../engine.ts'
import { locationRefusal, refusal, ServerError } from '../errors.ts'
import { toTimestamp } from '../oplog/clock.ts'
import { pace } from '../pace.ts'
import type { WireMessage } from '../wire/message.ts'
import {
  checkFields,
  type ClientConnection,
  type CommandDefinition,
  type CommandReply,
  type CommandRequest,
} from './command.ts'
import type { InjectedFailure } from './fail-points.ts'
import { commands } from './registry.ts'

/** Runs the command of a message. Never throws and never rejects. */
export function dispatch(
  engine: DatabaseEngine,
  message: WireMessage,
  connection: ClientConnection,
  stopping: AbortSignal,
): CommandReply | Promise<CommandReply> {
  const { command, name, db, sequences } = message
  const request: CommandRequest = { engine, command, name, db, sequences, connection, stopping }
  try {
    if (message.problem) throw message.problem
    const freshWrite = (): boolean =>
      command.has('txnNumber') && !engine.retryableWrites.isRepeated(command)
    const failure = engine.failPoints.failureFor(name, connection.appName, freshWrite)
    if (failure) return runWithFailure(request, failure)
    const reply = run(request)
    if (!(reply instanceof Promise)) return completed(request, reply)
    return reply
      .then((late) => completed(request, late))
      .catch((error: unknown) => errorReply(engine, error, request))
  } catch (error) {
    return errorReply(engine, error, request)
  }
}

async function runWithFailure(
  request: CommandRequest,
  failure: InjectedFailure,
): Promise<CommandReply> {
  const { engine } = request
  try {
    if (failure.blockMs > 0) await delay(failure.blockMs, request)
    if (failure.closeConnection === 'instead') return closeConnection(request)
    if (failure.error) throw failure.error
    const reply = completed(request, await run(request))
    if (failure.closeConnection === 'after') return closeConnection(request)
    if (failure.writeConcernError) reply.body.writeConcernError = failure.writeConcernError
    if (failure.writeConcernError && failure.errorLabels)
      reply.body.errorLabels = [...failure.errorLabels]
    return reply
  } catch (error) {
    const reply = errorReply(engine, error, request, failure.atCursor || !failure.error)
    if (failure.error && failure.errorLabels) reply.body.errorLabels = [...failure.errorLabels]
    if (Array.isArray(reply.body.errorLabels) && reply.body.errorLabels.length === 0)
      delete reply.body.errorLabels
    return reply
  }
}

function closeConnection({ connection }: CommandRequest): CommandReply {
  connection.destroy()
  return { body: {} }
}

function delay(ms: number, { connection, stopping }: CommandRequest): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer)
      resolve()
    }
    const timer = setTimeout(end, ms)
    connection.closed.addEventListener('abort', end, { once: true })
    stopping.addEventListener('abort', end, { once: true })
  })
}

function run(request: CommandRequest): CommandReply | Promise<CommandReply> {
  const { command, name, stopping } = request
  const known: CommandDefinition | undefined = commands.get(name)
  if (!known) throw refusal('CommandNotFound', `no such command: '${name}'`)
  if (stopping.aborted)
    throw refusal('ShutdownInProgress', 'The server is in quiesce mode and will shut down')
  if (request.db === '')
    throw locationRefusal(40414, "BSON field 'OpMsg.$db' is missing but a required field")
  checkFields(name, command, known.fields)
  checkCommon(request, known)
  return runWithDeadline(request, known)
}

/**
 * Applies the command's `maxTimeMS`. The `maxTimeMS` of a `getMore` is no limit: it says how long
 * to wait for events. What is left of a query's limit counts for its `getMore` commands.
 */
function runWithDeadline(
  request: CommandRequest,
  known: CommandDefinition,
): CommandReply | Promise<CommandReply> {
  const limit = toNumber(request.command.get('maxTimeMS') ?? 0)
  if (limit === undefined) throw refusal('BadValue', 'maxTimeMS must be a number')
  if (!(limit >= 0 && limit < 2 ** 31 && Number.isInteger(limit)))
    throw refusal('BadValue', `${limit} value for maxTimeMS is out of range`)
  const ms = request.name === 'getMore' ? 0 : limit
  pace.begin(ms > 0 ? ms : Infinity)
  return known.run(request)
}

function checkCommon({ command }: CommandRequest, known: CommandDefinition): void {
  if (command.has('autocommit') || command.has('startTransaction')) {
    // With `IllegalOperation`, the driver would advise to turn off retryable writes.
    throw refusal(
      'OperationNotSupportedInTransaction',
      'Multi-document transactions are not supported by this server',
    )
  }
  if (command.has('txnNumber') && !known.writes) {
    throw refusal(
      'IllegalOperation',
      'Retryable writes are only supported by insert, update, delete and findAndModify',
    )
  }
  const concern = command.get('readConcern')
  if (isDoc(concern)) checkReadConcern(concern, known.reads === true)
  if (command.has('apiVersion') && command.get('apiVersion') !== '1') {
    throw refusal('APIVersionError', 'API version must be "1"')
  }
}

const readConcernLevels = ['local', 'available', 'majority', 'linearizable', 'snapshot']
const readConcernFields = ['level', 'afterClusterTime', 'atClusterTime', 'provenance']

/** Refuses a read concern that a single node can't keep, or that no server knows. */
function checkReadConcern(concern: Doc, reads: boolean): void {
  const unknown = concern.fields.find(({ name }) => !readConcernFields.includes(name))
  if (unknown)
    throw refusal('InvalidOptions', `Unrecognized option in readConcern: ${unknown.name}`)
  const level = concern.get('level')
  if (level === undefined) return
  if (typeof level !== 'string')
    throw refusal('TypeMismatch', '"level" had the wrong type. Expected string')
  if (!readConcernLevels.includes(level))
    throw refusal(
      'FailedToParse',
      "readConcern.level must be either 'local', 'majority', 'linearizable', 'available', or 'snapshot'",
    )
  if (level === 'snapshot' || concern.has('atClusterTime'))
    throw refusal('InvalidOptions', 'read concern level snapshot is not supported')
  if (!reads && level !== 'local')
    throw refusal('InvalidOptions', `the command does not support read concern ${level}`)
}

function completed(request: CommandRequest, reply: CommandReply): CommandReply {
  reply.body.ok ??= 1
  const problem = commands.get(request.name)?.writes
    ? writeConcernError(request.command.get('writeConcern'))
    : undefined
  if (problem) reply.body.writeConcernError = problem
  addClusterTime(request.engine, reply.body)
  return reply
}

function addClusterTime(engine: DatabaseEngine, body: Record<string, unknown>): void {
  const time = toTimestamp(engine.oplog.clock.now)
  body.$clusterTime = {
    clusterTime: time,
    signature: { hash: new Binary(Buffer.alloc(20)), keyId: Long.ZERO },
  }
  body.operationTime = time
}

/**
 * The error for a write concern that a single node without named modes can't satisfy. The write
 * itself has been done.
 */
function writeConcernError(concern: unknown): Plain | undefined {
  const w = isDoc(concern) ? concern.get('w') : undefined
  if (w === undefined || w === 'majority') return undefined
  const nodes = toNumber(w)
  if (nodes === undefined)
    return {
      code: 79,
      codeName: 'UnknownReplWriteConcern',
      errmsg: `No write concern mode named '${String(w)}' found in replica set configuration`,
    }
  if (nodes <= 1) return undefined
  return {
    code: 100,
    codeName: 'UnsatisfiableWriteConcern',
    errmsg: 'Not enough data-bearing nodes',
    errInfo: { writeConcern: concern },
  }
}

const retryableWriteCodes = new Set([
  6, 7, 89, 91, 134, 189, 262, 9001, 10107, 11600, 11602, 13435, 13436,
])
const resumableCodes = new Set([
  6, 7, 63, 89, 91, 133, 150, 189, 234, 262, 9001, 10107, 11600, 11602, 13388, 13435, 13436,
])

/**
 * MongoDB's error document for whatever was thrown. `atCursor` is false if the error was thrown
 * before the command's cursor was looked up; a change stream's labels are left out then.
 */
export function errorReply(
  engine: DatabaseEngine,
  error: unknown,
  request?: CommandRequest,
  atCursor = true,
): CommandReply {
  const known =
    error instanceof ServerError
      ? error
      : refusal('InternalError', error instanceof Error ? error.message : String(error))
  const labels = [...known.labels]
  if (request?.command.has('txnNumber') && retryableWriteCodes.has(known.code))
    labels.push('RetryableWriteError')
  if (known.codeName === 'ChangeStreamFatalError' || known.codeName === 'ChangeStreamHistoryLost')
    labels.push('NonResumableChangeStreamError')
  if (request && atCursor && readsStream(request) && resumableCodes.has(known.code))
    labels.push('ResumableChangeStreamError')
  const body: Record<string, unknown> = {
    ok: 0,
    errmsg: known.message,
    code: known.code,
    codeName: known.codeName,
    ...known.extra,
  }
  if (labels.length > 0) body.errorLabels = labels
  addClusterTime(engine, body)
  return { body }
}

function readsStream({ engine, name, command }: CommandRequest): boolean {
  if (name === 'aggregate') {
    const pipeline = command.get('pipeline')
    const first: unknown = Array.isArray(pipeline) ? pipeline[0] : undefined
    return isDoc(first) && first.firstName === '$changeStream'
  }
  const id = command.get('getMore')
  return name === 'getMore' && id instanceof Long && engine.cursors.find(id)?.stream !== undefined
}
