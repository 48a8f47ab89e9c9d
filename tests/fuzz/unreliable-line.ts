// A device's line to the server that misbehaves on demand: it goes down, drops, repeats and swaps
// frames, loses acks and sends commands twice. It records what the server sent before any of that.
import type { Handshake } from '@lockstep/protocol/sync'
import type { Topic } from '@lockstep/protocol/topics'
import type { Connect, SocketLike } from '@lockstep/client'
import { ReceivedStream } from './received-stream.ts'

/**
 * What happens to one of the next frames. `send-again`: the command's ack is lost, and the command
 * is sent a second time before the device learns of its effect.
 */
export type FrameFault = 'drop' | 'repeat' | 'swap' | 'lose-ack' | 'send-again' | 'none'

/** Long enough for commands of other devices to come in between; milliseconds. */
const SEND_AGAIN_MS = 40

export class UnreliableLine {
  /** What the server sent, one stream per connection and namespace, in order. */
  readonly streams: ReceivedStream[] = []
  /**
   * Whether a frame was dropped. If it was the last one, only a comparison of heads shows the loss.
   */
  hasDroppedFrame = false
  readonly #sockets = new Set<UnreliableSocket>()
  readonly #faults: FrameFault[] = []
  #up = true

  get up(): boolean {
    return this.#up
  }

  /** Takes the line down or brings it up again. */
  set up(up: boolean) {
    this.#up = up
    if (!up) this.cut()
  }

  /** Ends the connection; the next attempt succeeds. */
  cut(): void {
    for (const socket of this.#sockets) socket.disconnect()
  }

  disturb(faults: readonly FrameFault[]): void {
    this.#faults.push(...faults)
  }

  /** Ends all faults and delivers the frames that were held back. */
  heal(): void {
    this.#faults.length = 0
    this.up = true
    for (const socket of this.#sockets) socket.flush()
  }

  nextFault(): FrameFault {
    return this.#faults.shift() ?? 'none'
  }

  /** The stream of a topic's newest connection. */
  newestStream(topic: Topic): ReceivedStream | undefined {
    return this.streams.findLast((stream) => stream.topic === topic)
  }

  /** Wraps a function that connects, so that its sockets use this line. */
  connectThrough(connect: Connect): Connect {
    return (namespace, auth) => {
      let handshake: Handshake | undefined
      const inner = connect(namespace, () => (handshake = auth()))
      const opened = () => new ReceivedStream(namespace.slice(1) as Topic, handshake?.since)
      const socket = new UnreliableSocket(inner, opened, this)
      this.#sockets.add(socket)
      return socket
    }
  }

  /** `fetch` over this line. */
  fetch: typeof fetch = async (...request) => {
    if (!this.#up) throw new TypeError('fetch failed: the line is down')
    const response = await fetch(...request)
    if (!this.#up) throw new TypeError('fetch failed: the line went down')
    return response
  }
}

class UnreliableSocket implements SocketLike {
  readonly #inner: SocketLike
  readonly #line: UnreliableLine
  readonly #listeners = new Map<string, ((payload: unknown) => void)[]>()
  #stream: ReceivedStream | undefined
  #held: (() => void) | undefined

  constructor(inner: SocketLike, opened: () => ReceivedStream, line: UnreliableLine) {
    this.#inner = inner
    this.#line = line
    // Frames of the connection before this one that were still on their way come earlier.
    inner.on('connect', () => line.streams.push((this.#stream = opened())))
  }

  on(event: string, listener: (payload: unknown) => void): unknown {
    const listeners = this.#listeners.get(event)
    if (listeners) return listeners.push(listener)
    this.#listeners.set(event, [listener])
    return this.#inner.on(event, (payload) => this.#take(event, payload))
  }

  emit(event: string, payload: unknown, ack: (answer: unknown) => void): unknown {
    const fault = this.#line.nextFault()
    const deliverAck = (answer: unknown) => {
      if (this.#line.up) ack(answer)
    }
    if (fault === 'send-again') {
      const stream = this.#stream
      setTimeout(
        () =>
          this.#stream === stream && this.#line.up && this.#inner.emit(event, payload, deliverAck),
        SEND_AGAIN_MS,
      )
    }
    return this.#inner.emit(
      event,
      payload,
      fault === 'lose-ack' || fault === 'send-again' ? () => {} : deliverAck,
    )
  }

  connect(): unknown {
    if (this.#line.up) return this.#inner.connect()
    return queueMicrotask(() => this.#tell('connect_error', new Error('the line is down')))
  }

  disconnect(): unknown {
    this.#held = undefined
    return this.#inner.disconnect()
  }

  flush(): void {
    this.#held?.()
    this.#held = undefined
  }

  #take(event: string, payload: unknown): void {
    if (event !== 'change' && event !== 'sync') return this.#tell(event, payload)
    this.#stream?.frames.push({ event, payload } as ReceivedStream['frames'][number])
    // A `sync` opens a connection or closes a gap. Over TCP it can be late, but never be missing
    // from a connection that lives.
    const fault = event === 'sync' ? 'none' : this.#line.nextFault()
    if (fault === 'drop') {
      this.#line.hasDroppedFrame = true
      return
    }
    if (fault === 'swap' && !this.#held) {
      this.#held = () => this.#tell(event, payload)
      return
    }
    this.#tell(event, payload)
    if (fault === 'repeat') this.#tell(event, payload)
    this.flush()
  }

  #tell(event: string, payload: unknown): void {
    for (const listener of this.#listeners.get(event) ?? []) listener(payload)
  }
}
