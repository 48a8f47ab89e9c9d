// A cable between two programs on this machine that a test can cut, delay, slow down, pause and flood. It is a TCP proxy and knows nothing of
// what goes through it.
import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'

/** Which way bytes go: `up` from the program that connected, `down` to it. */
export type Direction = 'up' | 'down'

interface Link {
  near: Socket
  far: Socket
}

export interface Target {
  host?: string
  port: number
}

/** One cable with any number of connections through it. It closes when it goes out of scope. */
export class Wire implements AsyncDisposable {
  readonly #server: Server
  readonly #target: Target
  readonly #links = new Set<Link>()
  readonly #paused = new Set<Direction>()
  readonly #pace = { up: Infinity, down: Infinity }
  #delay = 0
  #hesitation = { every: Infinity, ms: 0 }
  #cut = false
  #port = 0
  /** Bytes that have gone through, by direction. */
  readonly bytes = { up: 0, down: 0 }

  constructor(target: Target) {
    this.#target = target
    this.#server = createServer((near) => this.#join(near))
  }

  /** Opens a cable to a port; it listens on a port of its own. */
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

  /** `host:port` of its near end. */
  get address(): string {
    return `127.0.0.1:${this.#port}`
  }

  /** How many connections go through it now. */
  get connections(): number {
    return this.#links.size
  }

  /** Drops every connection with a reset and refuses new ones. */
  cut(): void {
    this.#cut = true
    this.drop()
  }

  /** Lets new connections through again. */
  restore(): void {
    this.#cut = false
  }

  /** Drops every connection with a reset; new ones are let through. */
  drop(): void {
    for (const { near, far } of this.#links) {
      near.resetAndDestroy()
      far.resetAndDestroy()
    }
  }

  /**
   * Stops carrying bytes without closing anything: to the sender its peer looks like a slow reader, to the receiver like a dead line.
   */
  pause(direction: Direction): void {
    this.#paused.add(direction)
    for (const link of this.#links) sender(link, direction).pause()
  }

  resume(direction: Direction): void {
    this.#paused.delete(direction)
    for (const link of this.#links) sender(link, direction).resume()
  }

  /** Every byte comes this many milliseconds later, in order; 0: at once. */
  delay(ms: number): void {
    this.#delay = ms
  }

  /**
   * On each connection, every so many-th piece that comes down, and what is behind it, comes this many milliseconds later: a reader of
   * several connections gets answers in another order than it asked.
   */
  delayEvery(every: number, ms: number): void {
    this.#hesitation = { every, ms }
  }

  /** Carries no more than so many bytes a second on each connection. */
  limit(direction: Direction, bytesPerSecond: number): void {
    this.#pace[direction] = bytesPerSecond
  }

  /** Writes bytes of nobody's into every connection. */
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
      // A reset of one end is the reset of the other: `close` follows and tells.
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
    // The receiver's back pressure is passed on, as a real cable does.
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
    // Nothing is due before what came before it, and each timer does the oldest thing that waits: so the order stays.
    const waiting: (() => void)[] = []
    let due = 0
    const inOrder = (act: () => void, hesitation = 0) => {
      const delay = this.#delay + hesitation
      if (delay === 0 && waiting.length === 0) return act()
      const now = performance.now()
      due = Math.max(due, now + delay)
      waiting.push(act)
      setTimeout(() => waiting.shift()!(), due - now)
    }
    let pieces = 0
    from.on('data', (bytes: Buffer) => {
      this.bytes[direction] += bytes.length
      const ms = (bytes.length / this.#pace[direction]) * 1_000
      if (ms > 0) setTimeout(hold(), ms)
      const hesitates = direction === 'down' && ++pieces % this.#hesitation.every === 0
      inOrder(() => write(bytes), hesitates ? this.#hesitation.ms : 0)
    })
    from.on('end', () => inOrder(() => to.end()))
    if (this.#paused.has(direction)) from.pause()
  }
}

const sender = (link: Link, direction: Direction): Socket =>
  direction === 'up' ? link.near : link.far
const receiver = (link: Link, direction: Direction): Socket =>
  direction === 'up' ? link.far : link.near
