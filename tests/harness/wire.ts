// A TCP proxy between two programs on this machine. A test can cut it, delay it, slow it down,
// pause it and flood it. It knows nothing of the protocol that goes through it.
import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'

/** The direction of bytes: `up` from the program that connected, `down` to it. */
export type Direction = 'up' | 'down'

interface Link {
  near: Socket
  far: Socket
}

export interface Target {
  host?: string
  port: number
}

/** One proxy for any number of connections. It closes at the end of its scope. */
export class Wire implements AsyncDisposable {
  readonly #server: Server
  readonly #target: Target
  readonly #links = new Set<Link>()
  readonly #paused = new Set<Direction>()
  readonly #bytesPerSecond = { up: Infinity, down: Infinity }
  #delay = 0
  #chunkDelay = { every: Infinity, ms: 0 }
  #cut = false
  #port = 0
  /** The number of bytes carried so far, by direction. */
  readonly bytes = { up: 0, down: 0 }

  constructor(target: Target) {
    this.#target = target
    this.#server = createServer((near) => this.#join(near))
  }

  /** Opens a proxy to a port; it listens on a port of its own. */
  static async to(target: Target): Promise<Wire> {
    const wire = new Wire(target)
    wire.#server.listen(0, '127.0.0.1')
    await once(wire.#server, 'listening')
    wire.#port = (wire.#server.address() as AddressInfo).port
    return wire
  }

  get port(): number {
    return this.#port
  }

  /** `host:port` at which the proxy listens. */
  get address(): string {
    return `127.0.0.1:${this.#port}`
  }

  /** The number of connections now. */
  get connections(): number {
    return this.#links.size
  }

  /** Resets every connection and refuses new ones. */
  cut(): void {
    this.#cut = true
    this.drop()
  }

  /** Accepts new connections again. */
  restore(): void {
    this.#cut = false
  }

  /** Resets every connection; new ones are accepted. */
  drop(): void {
    for (const { near, far } of this.#links) {
      near.resetAndDestroy()
      far.resetAndDestroy()
    }
  }

  /**
   * Stops carrying bytes without closing anything. To the sender, its peer looks like a slow
   * reader; to the receiver, like a dead line.
   */
  pause(direction: Direction): void {
    this.#paused.add(direction)
    for (const link of this.#links) sender(link, direction).pause()
  }

  resume(direction: Direction): void {
    this.#paused.delete(direction)
    for (const link of this.#links) sender(link, direction).resume()
  }

  /** Delays every byte by this many milliseconds and keeps the order; 0 means no delay. */
  delay(ms: number): void {
    this.#delay = ms
  }

  /**
   * On each connection, delays every n-th chunk that comes down (`every`), and the chunks after it,
   * by `ms`. A reader of several connections then gets responses in another order than it sent the
   * requests.
   */
  delayEvery(every: number, ms: number): void {
    this.#chunkDelay = { every, ms }
  }

  /** Carries at most this many bytes a second on each connection. */
  limit(direction: Direction, bytesPerSecond: number): void {
    this.#bytesPerSecond[direction] = bytesPerSecond
  }

  /** Writes bytes that nobody sent into every connection. */
  flood(direction: Direction, bytes: Uint8Array): void {
    for (const link of this.#links) receiver(link, direction).write(bytes)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut()
    this.#server.close()
    await once(this.#server, 'close')
  }

  #join(near: Socket): void {
    if (this.#cut) {
      near.resetAndDestroy()
      return
    }
    const link = {
      near,
      far: connect({ host: this.#target.host ?? '127.0.0.1', port: this.#target.port }),
    }
    this.#links.add(link)
    for (const direction of ['up', 'down'] as const) this.#carry(link, direction)
    for (const end of [near, link.far]) {
      end.setNoDelay(true)
      // A reset of one end resets the other one: `close` follows and does that.
      end.on('error', () => undefined)
      end.on('close', () => {
        this.#links.delete(link)
        near.destroy()
        link.far.destroy()
      })
    }
  }

  #carry(link: Link, direction: Direction): void {
    const from = sender(link, direction)
    const to = receiver(link, direction)
    // The receiver's back pressure is passed on to the sender.
    const holds = new Set<object>()
    const hold = () => {
      const reason = {}
      holds.add(reason)
      from.pause()
      return () => {
        holds.delete(reason)
        if (holds.size === 0 && !this.#paused.has(direction)) from.resume()
      }
    }
    const write = (bytes: Buffer) => {
      if (!to.write(bytes)) to.once('drain', hold())
    }
    // No action is due before an earlier one, and each timer runs the oldest waiting action, so the
    // order is kept.
    const waiting: (() => void)[] = []
    let due = 0
    const inOrder = (act: () => void, chunkDelay = 0) => {
      const delay = this.#delay + chunkDelay
      if (delay === 0 && waiting.length === 0) return act()
      const now = performance.now()
      due = Math.max(due, now + delay)
      waiting.push(act)
      setTimeout(() => waiting.shift()!(), due - now)
    }
    let chunks = 0
    from.on('data', (bytes: Buffer) => {
      this.bytes[direction] += bytes.length
      const ms = (bytes.length / this.#bytesPerSecond[direction]) * 1_000
      if (ms > 0) setTimeout(hold(), ms)
      const isDelayed = direction === 'down' && ++chunks % this.#chunkDelay.every === 0
      inOrder(() => write(bytes), isDelayed ? this.#chunkDelay.ms : 0)
    })
    from.on('end', () => inOrder(() => to.end()))
    if (this.#paused.has(direction)) from.pause()
  }
}

const sender = (link: Link, direction: Direction): Socket =>
  direction === 'up' ? link.near : link.far
const receiver = (link: Link, direction: Direction): Socket =>
  direction === 'up' ? link.far : link.near
