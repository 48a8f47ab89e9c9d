// Fail points: tests of drivers make commands fail on demand (`configureFailPoint`), as in a mongod
// with test commands enabled. They stand between a connection and the commands, and exist only in a
// server that was started with `testCommands`.
import { Doc } from '../bson/doc.ts'
import { toNumber } from '../bson/numbers.ts'
import { isDoc } from '../bson/type-of.ts'
import { pause, type CommandDefinition, type CommandRequest } from '../commands/command.ts'
import { dispatch, errorReply } from '../commands/dispatch.ts'
import { codeNameOf, locationRefusal, refusal } from '../errors.ts'
import { isTrue } from '../expression/expression.ts'

interface Failure {
  readonly blockMs?: number
  /** The connection is closed: instead of running the command, or after it has run. */
  readonly closes?: 'instead' | 'after' | false
  /** The code of the error that takes the place of the command. */
  readonly code?: number | undefined
  /** Whether the error counts as thrown by the cursor, so that a change stream may resume. */
  readonly atCursor?: boolean
  readonly labels?: unknown
  readonly writeConcernError?: unknown
}

interface FailPoint {
  skip: number
  remaining: number
  readonly data: Doc
}

const names = ['failCommand', 'failGetMoreAfterCursorCheckout', 'onPrimaryTransactionalWrite']
const exemptCommands = ['getLog', 'buildInfo']

export class FailPoints {
  readonly #set = new Map<string, FailPoint>()

  /** What runs the commands of one connection, which `close` closes, in place of `dispatch`. */
  dispatcher(close: () => void): typeof dispatch {
    let appName: unknown
    return async (request) => {
      try {
        if (request.name === 'configureFailPoint')
          return await dispatch(request, this.#configureFailPoint)
        const failure = request.problem ? undefined : this.#failureOf(request, appName)
        appName = appNameIn(request.command) ?? appName
        return await (failure ? failed(request, failure, close) : dispatch(request))
      } catch (error) {
        return errorReply(request, error)
      }
    }
  }

  readonly #configureFailPoint: CommandDefinition = {
    fields: 'mode data',
    run: ({ command, db }) => {
      if (db !== 'admin')
        throw refusal('Unauthorized', 'configureFailPoint is a command of the database admin')
      const name = String(command.get('configureFailPoint'))
      if (!names.includes(name)) throw refusal('BadValue', `there is no fail point '${name}'`)
      const [mode, data] = [command.get('mode'), command.get('data')]
      const remaining = timesOf(mode)
      if (remaining === undefined)
        throw refusal('BadValue', "mode must be 'off', 'alwaysOn', {times: n} or {skip: n}")
      if (remaining > 0 && name === 'failCommand' && !isDoc(data))
        throw refusal('BadValue', 'failCommand needs data')
      const skip = isDoc(mode) ? (toNumber(mode.get('skip')) ?? 0) : 0
      this.#set.set(name, { skip, remaining, data: isDoc(data) ? data : Doc.empty })
      return {}
    },
  }

  #failureOf(request: CommandRequest, appName: unknown): Failure | undefined {
    const { name } = request
    if (exemptCommands.includes(name)) return undefined
    const data = this.#trigger('failCommand', (given) => selects(given, name, appName))
    if (data) return commandFailure(data, false)
    const more = this.#trigger('failGetMoreAfterCursorCheckout', () => name === 'getMore')
    if (more) return commandFailure(more, true)
    const write = this.#trigger('onPrimaryTransactionalWrite', () => isFreshWrite(request))
    return write && lostWrite(write)
  }

  /** The data of a fail point that applies, which uses up one of its `times`. */
  #trigger(name: string, applies: (data: Doc) => boolean): Doc | undefined {
    const found = this.#set.get(name)
    if (!found || found.remaining <= 0 || !applies(found.data)) return undefined
    if (found.skip-- > 0) return undefined
    found.remaining--
    return found.data
  }
}

function timesOf(mode: unknown): number | undefined {
  if (isDoc(mode)) return mode.has('skip') ? Infinity : toNumber(mode.get('times'))
  return mode === 'alwaysOn' ? Infinity : mode === 'off' ? 0 : undefined
}

function selects(data: Doc, name: string, appName: unknown): boolean {
  const commands = data.get('failCommands')
  if (!Array.isArray(commands) || !commands.includes(name)) return false
  return (data.get('appName') ?? appName) === appName
}

function appNameIn(command: Doc): unknown {
  const client = command.get('client')
  const application = isDoc(client) ? client.get('application') : undefined
  return isDoc(application) ? application.get('name') : undefined
}

/** Whether the command is a numbered write that hasn't run before. */
function isFreshWrite({ command, engine }: CommandRequest): boolean {
  return command.has('txnNumber') && !engine.retryableWrites.open(command)?.find(0)
}

function commandFailure(data: Doc, atCursor: boolean): Failure {
  const labels = data.get('errorLabels')
  return {
    blockMs: isTrue(data.get('blockConnection')) ? (toNumber(data.get('blockTimeMS')) ?? 0) : 0,
    closes: isTrue(data.get('closeConnection')) && 'instead',
    code: toNumber(data.get('errorCode')),
    atCursor,
    labels: Array.isArray(labels) ? labels : undefined,
    writeConcernError: data.get('writeConcernError'),
  }
}

/**
 * By default the write is done and its reply is lost. With a code, the write fails before it is
 * done. The connection is closed in both cases, unless the data say otherwise.
 */
function lostWrite(data: Doc): Failure {
  const code = toNumber(data.get('failBeforeCommitExceptionCode'))
  const closes = isTrue(data.get('closeConnection') ?? true)
  return { closes: closes && (code === undefined ? 'after' : 'instead'), code }
}

async function failed(request: CommandRequest, failure: Failure, close: () => void) {
  const { blockMs = 0, closes, code, atCursor, labels, writeConcernError } = failure
  if (blockMs > 0) await pause(blockMs, request)
  if (closes === 'instead') {
    close()
    return {}
  }
  if (code !== undefined) {
    const error = locationRefusal(code, "Failing command via 'failCommand' failpoint")
    const reply = { ...errorReply(request, error, atCursor), codeName: codeNameOf(code) }
    return labels ? { ...reply, errorLabels: labels } : reply
  }
  const reply = await dispatch(request)
  if (reply.ok === 0) return reply
  if (closes === 'after') close()
  if (writeConcernError) Object.assign(reply, { writeConcernError, errorLabels: labels })
  return reply
}
