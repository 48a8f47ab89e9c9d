// A device's line to the server that can be told to misbehave: to be gone, and to drop, repeat and swap frames, lose answers and send commands again. It notes
// what the server sent, before any of that.
import type { Handshake } from '@lockstep/protocol/sync'
import type { Topic } from '@lockstep/protocol/topics'
import type { Connect, SocketLike } from '@lockstep/client/ports'
import { ReceivedStream } from './stream.ts'

/**
 * What happens to the next frames, one each; behind them the line is fine. `send-again`: a command's answer is lost, and it is sent a second
 * time before the device has heard of it otherwise.
 */
export type FrameFault = 'drop' | 'repeat' | 'swap' | 'lose-answer' | 'send-again' | 'none'

/** Long enough for others to be faster; milliseconds. */
const SEND_AGAIN_MS = 40

export class UnreliableLine {
  /** What the server sent over each connection of each namespace, in order. */
  readonly streams: ReceivedStream[] = []
  /** A frame was dropped: the device may have missed the last thing it was told, and only somebody's looking finds that. */
  hasDroppedFrame = false
  readonly #sockets = new Set<UnreliableSocket>()
  readonly #mishaps: FrameFault[] = []
  #up = true

  get up(): boolean {
    return this.#up
  }

  /** Takes it away or gives it back. */
  set up(up: boolean) {
    this.#up = up
    if (!up) this.cut()
  }

  /** Ends the connection; the next attempt succeeds. */
  cut(): void {
    for (const socket of this.#sockets) socket.disconnect()
  }

  disturb(mishaps: readonly FrameFault[]): void {
    this.#mishaps.push(...mishaps)
  }

  /** From now on nothing goes wrong, and what was held back has been delivered. */
  heal(): void {
    this.#mishaps.length = 0
    this.up = true
    for (const socket of this.#sockets) socket.flush()
  }

  nextFault(): FrameFault {
    return this.#mishaps.shift() ?? 'none'
  }

  /** The newest connection of a topic. */
  newestStream(topic: Topic): ReceivedStream | undefined {
    return this.streams.findLast((stream) => stream.topic === topic)
  }

  /** The same sockets, over this line. */
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

  /** The same requests, over this line. */
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
    // frames of an earlier connection that were still under way come before it
    inner.on('connect', () => line.streams.push((this.#stream = opened())))
  }

  on(event: string, listener: (payload: unknown) => void): unknown {
    const listeners = this.#listeners.get(event)
    if (listeners) return listeners.push(listener)
    this.#listeners.set(event, [listener])
    return this.#inner.on(event, (payload) => this.#take(event, payload))
  }

  emit(event: string, payload: unknown, ack: (answer: unknown) => void): unknown {
    const mishap = this.#line.nextFault()
    const answered = (answer: unknown) => {
      if (this.#line.up) ack(answer)
    }
    if (mishap === 'send-again') {
      const stream = this.#stream
      setTimeout(
        () =>
          this.#stream === stream && this.#line.up && this.#inner.emit(event, payload, answered),
        SEND_AGAIN_MS,
      )
    }
    return this.#inner.emit(
      event,
      payload,
      mishap === 'lose-answer' || mishap === 'send-again' ? () => {} : answered,
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
    // a `sync` opens a connection and each later one closes a gap: over TCP it can be late with its connection, never missing from it
    const mishap = event === 'sync' ? 'none' : this.#line.nextFault()
    if (mishap === 'drop') {
      this.#line.hasDroppedFrame = true
      return
    }
    if (mishap === 'swap' && !this.#held) {
      this.#held = () => this.#tell(event, payload)
      return
    }
    this.#tell(event, payload)
    if (mishap === 'repeat') this.#tell(event, payload)
    this.flush()
  }

  #tell(event: string, payload: unknown): void {
    for (const listener of this.#listeners.get(event) ?? []) listener(payload)
  }
}
