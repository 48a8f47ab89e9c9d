// The only way from a message to its reply: the checks that apply to all commands, and the command
// itself. Whatever is thrown on that way becomes MongoDB's error document here.
import { Binary, Long } from 'bson'
import type { Doc } from '../bson/doc.ts'
import { toNumber } from '../bson/numbers.ts'
import { isDoc } from '../bson/type-of.ts'
import { isStream } from '../cursors/cursors.ts'
import type { DatabaseEngine } from '../engine.ts'
import { refusal, ServerError } from '../errors.ts'
import { toTimestamp } from '../oplog/clock.ts'
import { pace } from '../pace.ts'
import { aggregate } from './aggregate.ts'
import {
  create,
  createIndexes,
  drop,
  dropDatabase,
  dropIndexes,
  listCollections,
  listDatabases,
  listIndexes,
} from './collections.ts'
import {
  checkCollation,
  checkFields,
  missingField,
  refuseOptions,
  type CommandDefinition,
  type CommandReply,
  type CommandRequest,
} from './command.ts'
import { endSessions, getMore, killCursors } from './cursor-commands.ts'
import * as diagnostics from './diagnostics.ts'
import { count, distinct, find } from './find.ts'
import { findAndModify, insert, remove, update } from './writes.ts'

/** Runs the command of a message. Never rejects. */
export async function dispatch(
  request: CommandRequest,
  known: CommandDefinition | undefined = commands.get(request.name),
): Promise<CommandReply> {
  try {
    const reply = await run(request, known)
    reply.ok ??= 1
    return withClusterTime(request.engine, reply)
  } catch (error) {
    return errorReply(request, error)
  }
}

function run(
  request: CommandRequest,
  known: CommandDefinition | undefined,
): CommandReply | Promise<CommandReply> {
  const { command, name, stopping } = request
  if (request.problem) throw request.problem
  if (!known) throw refusal('CommandNotFound', `no such command: '${name}'`)
  if (stopping.aborted) throw refusal('ShutdownInProgress', 'The server is shutting down')
  if (request.db === '') throw missingField('OpMsg.$db')
  checkFields(name, command, known.refused ? `${known.fields} ${known.refused}` : known.fields)
  refuseOptions(command, known.refused ?? '')
  checkCollation(command)
  checkCommon(command, known)
  // The `maxTimeMS` of a `getMore` is no limit: it says how long to wait for events. What is left
  // of a query's limit counts for its `getMore` commands.
  const limit = toNumber(command.get('maxTimeMS') ?? 0) ?? NaN
  if (!(limit >= 0 && limit < 2 ** 31 && Number.isInteger(limit)))
    throw refusal('BadValue', 'maxTimeMS must be a whole number within range')
  pace.begin(name === 'getMore' ? Infinity : limit || Infinity)
  return known.run(request)
}

function checkCommon(command: Doc, known: CommandDefinition): void {
  // With `IllegalOperation`, the driver would advise to turn off retryable writes.
  if (command.has('autocommit') || command.has('startTransaction'))
    throw refusal('OperationNotSupportedInTransaction', 'Transactions are not supported')
  if (command.has('txnNumber') && !known.writes)
    throw refusal('IllegalOperation', 'Retryable writes are only supported by writes')
  if (known.writes) checkWriteConcern(command.get('writeConcern'))
  const concern = command.get('readConcern')
  if (isDoc(concern)) checkReadConcern(concern, known.reads === true)
  if (command.has('apiVersion') && command.get('apiVersion') !== '1')
    throw refusal('APIVersionError', 'API version must be "1"')
}

const readConcernFields = ['level', 'afterClusterTime', 'atClusterTime', 'provenance']

/** Refuses a read concern that a single node can't keep, or that no server knows. */
function checkReadConcern(concern: Doc, reads: boolean): void {
  const unknown = concern.fields.find(({ name }) => !readConcernFields.includes(name))
  if (unknown)
    throw refusal('InvalidOptions', `Unrecognized option in readConcern: ${unknown.name}`)
  const level = concern.get('level') ?? 'local'
  if (typeof level !== 'string')
    throw refusal('TypeMismatch', '"level" had the wrong type. Expected string')
  if (level === 'snapshot' || concern.has('atClusterTime'))
    throw refusal('InvalidOptions', 'read concern level snapshot is not supported')
  if (!['local', 'available', 'majority', 'linearizable'].includes(level))
    throw refusal('FailedToParse', `there is no read concern level '${level}'`)
  if (!reads && level !== 'local')
    throw refusal('InvalidOptions', `the command does not support read concern ${level}`)
}

function withClusterTime({ oplog }: DatabaseEngine, reply: CommandReply): CommandReply {
  const clusterTime = toTimestamp(oplog.now)
  const signature = { hash: new Binary(Buffer.alloc(20)), keyId: Long.ZERO }
  const $clusterTime = { clusterTime, signature }
  return Object.assign(reply, { $clusterTime, operationTime: clusterTime })
}

/** Refuses a write concern that a single node without named modes can't satisfy. */
function checkWriteConcern(concern: unknown): void {
  const w = (isDoc(concern) ? concern.get('w') : undefined) ?? 'majority'
  const nodes = w === 'majority' ? 1 : toNumber(w)
  if (nodes === undefined)
    throw refusal('UnknownReplWriteConcern', `No write concern mode named '${String(w)}' found`)
  if (nodes > 1) throw refusal('UnsatisfiableWriteConcern', 'Not enough data-bearing nodes')
}

/** The codes after which a driver may repeat a write, or go on with a change stream. */
const retryableCodes = [6, 7, 89, 91, 134, 189, 262, 9001, 10107, 11600, 11602, 13435, 13436]
const resumableCodes = [63, 133, 150, 234, 13388, ...retryableCodes.filter((c) => c !== 134)]

/** MongoDB's error document for whatever was thrown, perhaps by the cursor of a change stream. */
export function errorReply(request: CommandRequest, error: unknown, atCursor = true): CommandReply {
  const { message, code, codeName, extra } =
    error instanceof ServerError
      ? error
      : refusal('InternalError', error instanceof Error ? error.message : String(error))
  const isResumable = atCursor && resumableCodes.includes(code) && readsStream(request)
  const labels: [string, boolean][] = [
    ['RetryableWriteError', retryableCodes.includes(code) && request.command.has('txnNumber')],
    ['ResumableChangeStreamError', isResumable],
    ['NonResumableChangeStreamError', code === 280 || code === 286],
  ]
  const applying = labels.filter(([, applies]) => applies).map(([label]) => label)
  const errorLabels = applying.length > 0 ? applying : undefined
  const reply = { ok: 0, errmsg: message, code, codeName, ...extra, errorLabels }
  return withClusterTime(request.engine, reply)
}

/** Whether a command opens or reads a change stream. */
function readsStream({ engine, name, command }: CommandRequest): boolean {
  const pipeline = command.get('pipeline')
  const first: unknown = Array.isArray(pipeline) ? pipeline[0] : undefined
  if (name === 'aggregate') return isDoc(first) && first.firstName === '$changeStream'
  const id = command.get('getMore')
  const cursor = name === 'getMore' && id instanceof Long ? engine.cursors.find(id) : undefined
  return cursor !== undefined && isStream(cursor.source)
}

const { hello, ping, buildInfo, serverStatus, backup, eraseDeleted, explain } = diagnostics

export const commands: ReadonlyMap<string, CommandDefinition> = new Map(
  Object.entries({
    ...{ hello, isMaster: hello, ismaster: hello, ping, buildInfo, buildinfo: buildInfo },
    ...{ serverStatus, backup, eraseDeleted, explain },
    ...{ insert, update, delete: remove, findAndModify, findandmodify: findAndModify },
    ...{ find, count, distinct, aggregate, getMore, killCursors },
    ...{ create, drop, dropDatabase, listCollections, listDatabases },
    ...{ createIndexes, listIndexes, dropIndexes, endSessions },
  }),
)
