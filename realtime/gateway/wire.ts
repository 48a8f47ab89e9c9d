// What the network has not taken yet of one connection, whose namespaces share it. Socket.IO itself buffers without bound: here is
// where the server's memory stays flat. Relies on engine.io's `packetCreate` and `flush` events and the transport's `ready`.
import type { Socket as NetSocket } from 'node:net'
import type { Socket } from 'socket.io'

type Connection = Socket['conn']

/** Bytes. */
export interface WireLimits {
  /** Above this nothing more is emitted than what was asked for (acks). */
  busy: number
  /** Above this the connection ends at once. */
  end: number
}

const wires = new WeakMap<Connection, Wire>()

/** The wire of a connection; one for all its namespaces. */
export function wireOf(connection: Connection, limits: WireLimits): Wire {
  let wire = wires.get(connection)
  if (!wire) wires.set(connection, (wire = new Wire(connection, limits)))
  return wire
}

export class Wire {
  readonly #limits: WireLimits
  readonly #tcp: NetSocket
  #queued = 0
  #waiting: (() => void)[] = []
  #busySince: number | undefined

  constructor(connection: Connection, limits: WireLimits) {
    this.#limits = limits
    this.#tcp = connection.request.socket
    connection.on('packetCreate', (packet: { data?: string | Buffer }) => this.#queue(packet.data?.length ?? 0))
    // handed to the TCP socket, whose own buffer counts from here on
    connection.on('flush', () => (this.#queued = 0))
    connection.transport.on('ready', () => this.#taken())
  }

  /** Bytes that neither the kernel nor the device has taken. */
  backlog(): number {
    return this.#queued + this.#tcp.writableLength
  }

  busy(): boolean {
    const busy = this.backlog() > this.#limits.busy
    if (!busy) this.#busySince = undefined
    else this.#busySince ??= performance.now()
    return busy
  }

  whenFree(callback: () => void): void {
    this.#waiting.push(callback)
    // without a backlog no `ready` would ever come
    if (!this.busy()) setImmediate(() => this.#taken())
  }

  /** How long it has been busy without a moment's relief (ms). */
  busyFor(): number {
    return this.busy() ? performance.now() - this.#busySince! : 0
  }

  /** Ends the connection without waiting for what it has not taken. */
  terminate(): void {
    this.#waiting = []
    this.#tcp.destroy()
  }

  #queue(bytes: number): void {
    this.#queued += bytes
    if (this.backlog() > this.#limits.end) this.terminate()
  }

  #taken(): void {
    if (this.busy()) return
    const waiting = this.#waiting
    this.#waiting = []
    for (const callback of waiting) callback()
  }
}
