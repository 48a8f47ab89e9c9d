// The transport of a device: the WebSocket that its connections to the namespaces share. This file
// measures how many bytes the network has not taken yet. Socket.IO itself buffers without limit, so
// the limits here are what keeps the memory of the server flat. A slow device is not a dead one:
// what counts is that bytes keep moving, not how long they take.
//
// It relies on the events `packetCreate`, `packet` and `flush` of engine.io, and on the event
// `ready` of its transport.
import type { Socket as TcpSocket } from 'node:net'
import type { Socket } from 'socket.io'
import { Semaphore } from '../concurrency/semaphore.ts'
import { TcpProgress } from '../observability/tcp-progress.ts'

type EngineSocket = Socket['conn']
type Packet = { type: string; data?: string | Buffer }

export interface TransportLimits {
  /** With a larger backlog, the transport is busy: only acks are sent. */
  busyBytes: number
  /** With a larger backlog, the transport is ended at once. */
  maxBytes: number
  /**
   * The rate of the slowest device. It may answer a ping as much later as it needs for the bytes
   * sent before the ping.
   */
  slowestBytesPerSecond: number
}

/** Makes users pay for what their devices send. */
export interface Payments {
  /**
   * Counts a packet of so many bytes. Returns 0, or how long its sender must wait (ms).
   * @param refused how many packets were refused directly before it
   */
  take(user_id: string, bytes: number, refused: number): number
  /** Whether the user's transport is to be ended. */
  isFlooded(user_id: string): boolean
  onFlooded(): void
}

/** The open transports of a node. */
export class Transports {
  readonly #limits: TransportLimits
  readonly #payments: Payments
  readonly #open = new Map<EngineSocket, DeviceTransport>()

  constructor(limits: TransportLimits, payments: Payments) {
    this.#limits = limits
    this.#payments = payments
  }

  /**
   * The one transport of all connections that share this engine.io socket. It belongs to the user
   * of the first connection.
   */
  of(engineSocket: EngineSocket, user_id: string): DeviceTransport {
    const known = this.#open.get(engineSocket)
    if (known) return known
    const transport = new DeviceTransport(engineSocket, user_id, this.#limits, this.#payments)
    if (engineSocket.readyState !== 'closed') {
      this.#open.set(engineSocket, transport)
      engineSocket.once('close', () => this.#open.delete(engineSocket))
    }
    return transport
  }

  [Symbol.iterator](): Iterator<DeviceTransport> {
    return this.#open.values()
  }
}

export class DeviceTransport {
  /** The ranges that a device requests are read and answered one after the other. */
  readonly rangeReads = new Semaphore(1)
  /** Pays for what the device sends. */
  readonly user_id: string
  readonly #engineSocket: EngineSocket
  readonly #limits: TransportLimits
  readonly #payments: Payments
  readonly #tcp: TcpSocket
  #isClosed = false
  /** Bytes that engine.io has not handed to the TCP socket. */
  #queuedBytes = 0
  #waiting: (() => void)[] = []
  readonly #progress: TcpProgress
  /** Bytes that have arrived since the newest packet was complete. */
  #unfinishedBytes = 0
  #bytesSinceLastPing = 0
  #sentBytes = 0
  /** Of packets for which no event has been counted. */
  #uncountedBytes = 0
  #waitMs = 0
  /** Packets that were refused since the last one that was accepted. */
  #refused = 0
  /**
   * The first unanswered ping: when anything was last received, and how many bytes were sent
   * directly before the ping.
   */
  #ping: { lastReceivedAt: number; bytesBefore: number } | undefined

  constructor(
    engineSocket: EngineSocket,
    user_id: string,
    limits: TransportLimits,
    payments: Payments,
  ) {
    this.#engineSocket = engineSocket
    this.user_id = user_id
    this.#limits = limits
    this.#payments = payments
    this.#tcp = engineSocket.request.socket
    this.#progress = new TcpProgress(this.#tcp)
    // This listener counts the bytes before the WebSocket parses them. Reading `bytesRead` of the
    // TCP socket in each check would cost more than the rest of an idle device.
    this.#tcp.prependListener('data', (bytes: Buffer) => (this.#unfinishedBytes += bytes.length))
    engineSocket.on('packetCreate', (packet: Packet) => this.#sent(packet))
    // The TCP socket has got everything. From here on, its own buffer counts.
    engineSocket.on('flush', () => (this.#queuedBytes = 0))
    engineSocket.on('packet', (packet: Packet) => this.#received(packet))
    engineSocket.transport.on('ready', () => this.#callWaiting())
    engineSocket.on('close', () => {
      this.#isClosed = true
      payments.take(user_id, this.#unfinishedBytes, 0)
      this.#callWaiting()
    })
  }

  /** Bytes that neither the kernel nor the device has taken. */
  backlogBytes(): number {
    return this.#isClosed ? 0 : this.#queuedBytes + this.#tcp.writableLength
  }

  isBusy(): boolean {
    return this.backlogBytes() > this.#limits.busyBytes
  }

  /** Calls back once, when the transport is no longer busy or has ended. */
  whenFree(callback: () => void): void {
    this.#waiting.push(callback)
    // Without a backlog, no `ready` would follow.
    if (!this.isBusy()) setImmediate(() => this.#callWaiting())
  }

  /**
   * For how long the network has taken nothing although the transport is busy (ms). The precision
   * is the time between two calls.
   */
  stuckMs(): number {
    return this.#progress.stuckMs(this.isBusy())
  }

  /** Bytes of a packet that has not arrived as a whole yet. */
  unfinishedBytes(): number {
    return this.#isClosed ? 0 : this.#unfinishedBytes
  }

  /** Returns how many bytes `send` has added to what the device is sent. */
  measure(send: () => void): number {
    const before = this.#sentBytes
    send()
    return this.#sentBytes - before
  }

  /** How long the newest packet must wait (ms); 0 if it is accepted. */
  get waitMs(): number {
    return this.#waitMs
  }

  /** The bytes of the packets since the last call. */
  takeReceivedBytes(): number {
    const bytes = this.#uncountedBytes
    this.#uncountedBytes = 0
    return bytes
  }

  /**
   * For how long the answer to a ping is overdue (ms), less the time that the slowest device needs
   * for the bytes before the ping.
   */
  overdueMs(): number {
    if (!this.#ping) return 0
    const neededMs = (this.#ping.bytesBefore / this.#limits.slowestBytesPerSecond) * 1_000
    return performance.now() - this.#ping.lastReceivedAt - neededMs
  }

  /** Ends the transport at once, without waiting for its backlog. */
  terminate(): void {
    this.#tcp.destroy()
  }

  /** Also drops what has arrived and isn't decoded yet. */
  #cutOff(): void {
    this.#engineSocket.close(true)
    this.terminate()
  }

  #sent({ type, data }: Packet): void {
    const bytes = data?.length ?? 0
    this.#queuedBytes += bytes
    this.#sentBytes += bytes
    this.#bytesSinceLastPing += bytes
    if (type === 'ping') {
      this.#ping ??= {
        lastReceivedAt: performance.now(),
        bytesBefore: this.#bytesSinceLastPing,
      }
      this.#bytesSinceLastPing = 0
    }
    if (this.backlogBytes() > this.#limits.maxBytes) this.terminate()
  }

  #received({ type }: Packet): void {
    const bytes = this.#unfinishedBytes
    this.#unfinishedBytes = 0
    this.#uncountedBytes += bytes
    this.#waitMs = this.#payments.take(this.user_id, bytes, this.#refused)
    this.#refused = this.#waitMs > 0 ? this.#refused + 1 : 0
    if (this.#waitMs > 0 && this.#payments.isFlooded(this.user_id)) {
      this.#payments.onFlooded()
      return this.#cutOff()
    }
    if (type === 'pong') this.#ping = undefined
    else if (this.#ping) this.#ping.lastReceivedAt = performance.now()
  }

  #callWaiting(): void {
    if (this.isBusy()) return
    const waiting = this.#waiting
    this.#waiting = []
    for (const callback of waiting) callback()
  }
}
