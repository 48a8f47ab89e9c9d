// What the network has not taken yet of one connection, whose namespaces share it. Socket.IO itself buffers without bound: here is
// where the server's memory stays flat. A slow device is no dead one: what counts is that something moves, not how long it takes. Relies
// on engine.io's events `packetCreate`, `packet` and `flush`, on the transport's `ready`, and on Node's `writeQueueSize`.
import type { Socket as NetSocket } from 'node:net'
import type { Socket } from 'socket.io'
import { Semaphore } from '../concurrency/semaphore.ts'

type Connection = Socket['conn']
type Packet = { type: string; data?: string | Buffer }

export interface WireLimits {
  /** Above so many bytes nothing more is emitted than what was asked for (acks). */
  busy: number
  /** Above so many bytes the connection ends at once. */
  end: number
  /** Bytes a second that the slowest device takes: it may answer as much later as is on its way to it. */
  slowest: number
}

const wires = new WeakMap<Connection, Wire>()

/** The wire of a connection; one for all its namespaces. */
export function wireOf(connection: Connection, limits: WireLimits): Wire {
  let wire = wires.get(connection)
  if (!wire) wires.set(connection, (wire = new Wire(connection, limits)))
  return wire
}

export class Wire {
  /** Ranges of the log that were asked for are read and answered one after the other. */
  readonly ranges = new Semaphore(1)
  readonly #limits: WireLimits
  readonly #tcp: NetSocket
  #closed = false
  #queued = 0
  #waiting: (() => void)[] = []
  /** What the network had taken when that last changed, and when it was seen. */
  #taken: { mark: string; at: number } | undefined
  #sinceLastPing = 0
  /** A ping without an answer yet: since when nothing has come, and the bytes that went out ahead of it. */
  #ping: { at: number; behind: number } | undefined

  constructor(connection: Connection, limits: WireLimits) {
    this.#limits = limits
    this.#tcp = connection.request.socket
    connection.on('packetCreate', (packet: Packet) => this.#created(packet))
    // handed to the TCP socket, whose own buffer counts from here on
    connection.on('flush', () => (this.#queued = 0))
    connection.on('packet', (packet: Packet) => this.#heard(packet))
    connection.transport.on('ready', () => this.#release())
    connection.on('close', () => {
      this.#closed = true
      this.#release()
    })
  }

  /** Bytes that neither the kernel nor the device has taken. */
  backlog(): number {
    return this.#closed ? 0 : this.#queued + this.#tcp.writableLength
  }

  busy(): boolean {
    return this.backlog() > this.#limits.busy
  }

  /** Calls back, once, when it isn't busy any more or has ended. */
  whenFree(callback: () => void): void {
    this.#waiting.push(callback)
    // without a backlog no `ready` would ever come
    if (!this.busy()) setImmediate(() => this.#release())
  }

  /** How long the network has taken nothing of what there is (ms): exact to the time between two calls. */
  stuckFor(): number {
    if (!this.busy()) {
      this.#taken = undefined
      return 0
    }
    const mark = takenBy(this.#tcp)
    if (this.#taken?.mark !== mark) this.#taken = { mark, at: performance.now() }
    return performance.now() - this.#taken.at
  }

  /** How much longer than it could need on a slow line the device owes the answer to a ping (ms). */
  overdueFor(): number {
    if (!this.#ping) return 0
    return performance.now() - this.#ping.at - (this.#ping.behind / this.#limits.slowest) * 1_000
  }

  /** Ends the connection without waiting for what it has not taken. */
  terminate(): void {
    this.#tcp.destroy()
  }

  #created({ type, data }: Packet): void {
    const bytes = data?.length ?? 0
    this.#queued += bytes
    this.#sinceLastPing += bytes
    if (type === 'ping') {
      this.#ping ??= { at: performance.now(), behind: this.#sinceLastPing }
      this.#sinceLastPing = 0
    }
    if (this.backlog() > this.#limits.end) this.terminate()
  }

  #heard({ type }: Packet): void {
    if (type === 'pong') this.#ping = undefined
    else if (this.#ping) this.#ping.at = performance.now()
  }

  #release(): void {
    if (this.busy()) return
    const waiting = this.#waiting
    this.#waiting = []
    for (const callback of waiting) callback()
  }
}

/** Changes whenever the kernel takes something: the socket counts whole writes, and a write may have megabytes. */
function takenBy(tcp: NetSocket): string {
  const { _handle: handle } = tcp as NetSocket & { _handle?: { writeQueueSize?: number } | null }
  return `${tcp.bytesWritten - tcp.writableLength} ${handle?.writeQueueSize}`
}
