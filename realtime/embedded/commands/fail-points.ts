// The fail points that drivers' tests need. They make commands fail on demand, as in a mongod with
// test commands enabled.
import { Doc } from '../bson/doc.ts'
import { isDoc } from '../bson/type-of.ts'
import { toNumber } from '../bson/numbers.ts'
import { codeNameOf, refusal, ServerError } from '../errors.ts'
import { isTrue } from '../expression/truth.ts'
import {} from '../query/filter.ts'

/** What a fail point does to a command. */
export interface InjectedFailure {
  readonly blockMs: number
  /**
   * Whether the connection is closed instead of running the command, or after the command has run.
   */
  readonly closeConnection: 'instead' | 'after' | undefined
  readonly error: ServerError | undefined
  readonly writeConcernError: Doc | undefined
  readonly errorLabels: readonly string[] | undefined
  /**
   * Whether the error counts as thrown by the cursor, so that it gets the labels of a change
   * stream.
   */
  readonly atCursor: boolean
}

const exemptCommands = new Set(['configureFailPoint', 'getLog', 'buildInfo'])

interface ArmedFailPoint {
  skip: number
  remaining: number
  readonly data: Doc
}

const failPointNames = new Set([
  'failCommand',
  'failGetMoreAfterCursorCheckout',
  'onPrimaryTransactionalWrite',
])

export class FailPoints {
  readonly #armed = new Map<string, ArmedFailPoint>()

  /** Carries out the command `configureFailPoint`. */
  configure(command: Doc): void {
    const name = command.get('configureFailPoint')
    if (typeof name !== 'string' || !failPointNames.has(name)) {
      throw refusal('BadValue', `there is no fail point named '${String(name)}'`)
    }
    const mode = command.get('mode')
    const skip = isDoc(mode) ? toNumber(mode.get('skip')) : undefined
    const times = timesOf(mode)
    if (times === undefined)
      throw refusal('BadValue', "mode must be 'off', 'alwaysOn', {times: n} or {skip: n}")
    const data = command.get('data')
    if (times > 0 && name === 'failCommand' && !isDoc(data))
      throw refusal('BadValue', 'failCommand needs data')
    this.#armed.set(name, {
      remaining: times,
      skip: skip ?? 0,
      data: isDoc(data) ? data : Doc.empty,
    })
  }

  /**
   * The failure that this command gets, which uses up one of a fail point's `times`. `freshWrite`
   * tells whether the command is a numbered write that has not run before.
   */
  failureFor(
    name: string,
    appName: string | undefined,
    freshWrite: () => boolean,
  ): InjectedFailure | undefined {
    if (this.#armed.size === 0 || exemptCommands.has(name)) return undefined
    const { data } = this.#trigger('failCommand', (given) => selects(given, name, appName)) ?? {}
    if (data) return failureOf(data, false)
    const more =
      name === 'getMore' ? this.#trigger('failGetMoreAfterCursorCheckout', () => true) : undefined
    if (more) return failureOf(more.data, true)
    const write = this.#trigger('onPrimaryTransactionalWrite', freshWrite)
    return write && lostWrite(write.data)
  }

  #trigger(name: string, applies: (data: Doc) => boolean): ArmedFailPoint | undefined {
    const found = this.#armed.get(name)
    if (!found || found.remaining <= 0 || !applies(found.data)) return undefined
    if (found.skip-- > 0) return undefined
    found.remaining--
    return found
  }
}

function timesOf(mode: unknown): number | undefined {
  if (isDoc(mode)) return mode.get('skip') === undefined ? toNumber(mode.get('times')) : Infinity
  return mode === 'alwaysOn' ? Infinity : mode === 'off' ? 0 : undefined
}

function selects(data: Doc, name: string, appName: string | undefined): boolean {
  const names = data.get('failCommands')
  if (!Array.isArray(names) || !names.includes(name)) return false
  return (data.get('appName') ?? appName) === appName
}

function failureOf(data: Doc, atCursor: boolean): InjectedFailure {
  const given = data.get('errorLabels')
  const labels = Array.isArray(given) ? (given as string[]) : undefined
  const concernError = data.get('writeConcernError')
  const code = toNumber(data.get('errorCode'))
  return {
    blockMs: isTrue(data.get('blockConnection')) ? (toNumber(data.get('blockTimeMS')) ?? 0) : 0,
    closeConnection: isTrue(data.get('closeConnection')) ? 'instead' : undefined,
    error: code === undefined ? undefined : failure(code, labels ?? []),
    writeConcernError: isDoc(concernError) ? concernError : undefined,
    errorLabels: labels,
    atCursor,
  }
}

function failure(code: number, labels: string[]): ServerError {
  return new ServerError(
    codeNameOf(code),
    code,
    "Failing command via 'failCommand' failpoint",
    {},
    labels,
  )
}

/**
 * By default the write is done and its reply is lost. With a code, the write fails before it is
 * done. The connection is closed in both cases.
 */
function lostWrite(data: Doc): InjectedFailure {
  const before = toNumber(data.get('failBeforeCommitExceptionCode'))
  const close = data.get('closeConnection') === undefined || isTrue(data.get('closeConnection'))
  return {
    blockMs: 0,
    closeConnection: close ? (before === undefined ? 'after' : 'instead') : undefined,
    error: before === undefined ? undefined : failure(before, []),
    writeConcernError: undefined,
    errorLabels: undefined,
    atCursor: false,
  }
}
