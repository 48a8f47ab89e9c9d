// A proxy in front of a database that makes commands fail on demand, with the fail points that the
// tests of drivers use (`configureFailPoint`): the embedded database has none of its own. It reads
// MongoDB's wire protocol.
import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { BSON, type Binary, type Document } from 'mongodb'
import { FrameReader } from '../../realtime/embedded/wire/frame-reader.ts'

const OP_MSG = 2013
const MAX_FRAME_BYTES = 50_000_000

/** What becomes of a command: an error in its place, or a change of its reply. */
interface Failure {
  readonly error?: Document
  /** Added to the reply of the command, which runs. */
  readonly added?: Document
  /** The connection is closed: instead of running the command, or after it has run. */
  readonly close?: 'instead' | 'after'
}

interface FailPoint {
  skip: number
  remaining: number
  readonly data: Document
}

const retryableWriteCodes = new Set([
  6, 7, 89, 91, 134, 189, 262, 9001, 10107, 11600, 11602, 13435, 13436,
])
const resumableCodes = new Set([
  6, 7, 63, 89, 91, 133, 150, 189, 234, 262, 9001, 10107, 11600, 11602, 13388, 13435, 13436,
])

/** One proxy for any number of connections. It closes at the end of its scope. */
export class FailingWire implements AsyncDisposable {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  readonly #failPoints = new Map<string, FailPoint>()
  /** The numbered writes that have run. */
  readonly #written = new Set<string>()

  private constructor(target: () => Socket) {
    this.#server = createServer((near) => this.#join(near, target()))
  }

  /** Opens a proxy to the server of a connection string. */
  static async to(url: string): Promise<FailingWire> {
    const { host, hostname, port } = new URL(url)
    const wire = new FailingWire(() =>
      port ? connect(Number(port), hostname) : connect(decodeURIComponent(host)),
    )
    wire.#server.listen(0, '127.0.0.1')
    await once(wire.#server, 'listening')
    return wire
  }

  /** `host:port` at which the proxy listens. */
  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    this.#server.close()
    await once(this.#server, 'close')
  }

  #join(near: Socket, far: Socket): void {
    for (const end of [near, far]) {
      end.setNoDelay(true)
      this.#sockets.add(end)
      // A reset of one end resets the other one: `close` follows and does that.
      end.on('error', () => undefined)
      end.on('close', () => {
        this.#sockets.delete(end)
        near.destroy()
        far.destroy()
      })
    }
    const failures = new Map<number, Failure>()
    const [up, down] = [new FrameReader(MAX_FRAME_BYTES), new FrameReader(MAX_FRAME_BYTES)]
    near.on('data', (bytes: Buffer) => {
      for (const frame of up.push(bytes)) {
        const command = bodyOf(frame)
        const answer = command && this.#answer(command)
        const requestId = frame.readInt32LE(4)
        if (answer?.close === 'instead') near.destroy()
        else if (answer?.error) near.write(replyTo(requestId, answer.error))
        else {
          if (answer) failures.set(requestId, answer)
          far.write(frame)
        }
      }
    })
    far.on('data', (bytes: Buffer) => {
      for (const frame of down.push(bytes)) {
        const requestId = frame.readInt32LE(8)
        const { close, added } = failures.get(requestId) ?? {}
        failures.delete(requestId)
        if (close) near.destroy()
        else near.write(added ? replyTo(requestId, { ...bodyOf(frame), ...added }) : frame)
      }
    })
  }

  /** What becomes of a command. Undefined: it goes through. */
  #answer(command: Document): Failure | undefined {
    const [name] = Object.keys(command) as [string]
    if (name === 'configureFailPoint') return { error: this.#configure(command) }
    if (name === 'getLog' || name === 'buildInfo') return undefined
    const failing = this.#trigger('failCommand', (data) =>
      (data.failCommands as string[]).includes(name),
    )
    if (failing) return failureOf(command, failing, false)
    const more = this.#trigger('failGetMoreAfterCursorCheckout', () => name === 'getMore')
    if (more) return failureOf(command, more, true)
    if (command.txnNumber === undefined) return undefined
    const write = `${(command.lsid.id as Binary).toString('hex')} ${String(command.txnNumber)}`
    const lost = this.#trigger('onPrimaryTransactionalWrite', () => !this.#written.has(write))
    const code = lost?.failBeforeCommitExceptionCode as unknown
    if (code === undefined) this.#written.add(write)
    if (code !== undefined && lost!.closeConnection === false)
      return { error: errorOf(command, Number(code)) }
    // By default the write is done and its reply is lost.
    return lost && { close: code === undefined ? 'after' : 'instead' }
  }

  #configure({ configureFailPoint: name, mode, data = {} }: Document): Document {
    const skip = Number(mode.skip ?? 0)
    const remaining = mode === 'off' ? 0 : Number(mode.times ?? Infinity)
    this.#failPoints.set(name as string, { skip, remaining, data: data as Document })
    return { ok: 1 }
  }

  /** The data of a fail point that applies, which uses up one of its `times`. */
  #trigger(name: string, applies: (data: Document) => boolean): Document | undefined {
    const found = this.#failPoints.get(name)
    if (!found || found.remaining <= 0 || !applies(found.data)) return undefined
    if (found.skip-- > 0) return undefined
    found.remaining--
    return found.data
  }
}

function failureOf(command: Document, data: Document, atCursor: boolean): Failure {
  const { errorCode, errorLabels, writeConcernError } = data
  if (data.closeConnection === true) return { close: 'instead' }
  if (errorCode === undefined) return { added: { writeConcernError, errorLabels } }
  const error = errorOf(command, Number(errorCode), atCursor)
  return { error: { ...error, ...(errorLabels && { errorLabels }) } }
}

/** MongoDB's error document, with the labels by which drivers know what to repeat. */
function errorOf(command: Document, code: number, atCursor = false): Document {
  const labels: [string, boolean][] = [
    ['RetryableWriteError', command.txnNumber !== undefined && retryableWriteCodes.has(code)],
    ['ResumableChangeStreamError', atCursor && resumableCodes.has(code)],
    ['NonResumableChangeStreamError', code === 280 || code === 286],
  ]
  const errorLabels = labels.filter(([, applies]) => applies).map(([label]) => label)
  return { ok: 0, code, errmsg: 'a fail point fails this command', errorLabels }
}

/** The body of a message; undefined if it isn't an OP_MSG that begins with its body. */
function bodyOf(frame: Buffer): Document | undefined {
  if (frame.readInt32LE(12) !== OP_MSG || frame[20] !== 0) return undefined
  return BSON.deserialize(frame.subarray(21, 21 + frame.readInt32LE(21)), { promoteValues: false })
}

function replyTo(requestId: number, reply: Document): Buffer {
  const body = BSON.serialize(reply, { ignoreUndefined: true })
  const head = Buffer.alloc(21)
  head.writeInt32LE(head.length + body.length, 0)
  head.writeInt32LE(requestId, 8)
  head.writeInt32LE(OP_MSG, 12)
  return Buffer.concat([head, body])
}
