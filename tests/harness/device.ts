// A scripted device: a plain socket.io-client in one namespace that does nothing by itself.
// Everything that it receives is in its inbox.
import { Manager, type Socket } from 'socket.io-client'
import type { WireChange } from '@lockstep/protocol/change'
import type { Cursor } from '@lockstep/protocol/cursor'
import type { Problem } from '@lockstep/protocol/problem'
import { newId } from '@lockstep/protocol/ids'
import type { Ack, RangeAnswer, ServerEvents, Sync } from '@lockstep/protocol/sync'
import { PROTOCOL } from '@lockstep/protocol/version'
import { within } from './eventually.ts'
import { Inbox } from './inbox.ts'

export interface DeviceOptions {
  since?: Cursor
  user_id?: string
  /** Fields that replace those of the handshake, or are added to them. */
  auth?: Record<string, unknown>
  headers?: Record<string, string>
  transports?: ('websocket' | 'polling')[]
  /** Where the sockets are, if not at `/socket.io`. */
  path?: string
  /** Joins over the connection of this device. */
  beside?: Device
  /** Resolves when the handshake is accepted, without waiting for the first `sync`. */
  early?: boolean
}

/**
 * The server rejected a handshake. `data` is the problem; it is absent if no connection was made.
 */
export class Refused extends Error {
  readonly data: Problem | undefined
  constructor(error: Error) {
    super(error.message)
    this.data = (error as Error & { data?: Problem }).data
  }
}

type Payload<Event extends keyof ServerEvents> = Parameters<ServerEvents[Event]>[0]

/** A joined device. It disconnects at the end of its scope. */
export class Device implements AsyncDisposable {
  readonly topic: string
  readonly socket: Socket
  readonly inbox = new Inbox()
  /** The text of every packet of the connection, for all namespaces that share it. */
  readonly packets: string[]
  readonly #manager: Manager
  readonly #sharesConnection: boolean

  private constructor(topic: string, manager: Manager, socket: Socket, beside: Device | undefined) {
    this.topic = topic
    this.#manager = manager
    this.#sharesConnection = beside !== undefined
    this.socket = socket
    this.packets = beside ? beside.packets : []
    socket.onAny((event: string, payload: unknown) => this.inbox.put(event, payload))
    socket.on('disconnect', (reason) => this.inbox.put('disconnect', reason))
  }

  /** Connects and joins; resolves with the first `sync`, rejects with `Refused`. */
  static async open(
    url: string,
    cookie: string | undefined,
    topic: string,
    options: DeviceOptions,
  ): Promise<Device> {
    const { since, user_id, auth, headers, transports = ['websocket'], beside, early } = options
    const { path } = options
    const extraHeaders = { ...(cookie && { cookie }), ...headers }
    const manager = beside
      ? beside.#manager
      : new Manager(url, {
          transports,
          path,
          extraHeaders,
          reconnection: false,
          autoConnect: false,
        })
    const socket = manager.socket(`/${topic}`, {
      auth: { protocol: PROTOCOL, since, user_id, ...auth },
    })
    const device = new Device(topic, manager, socket, beside)
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    socket.once(early ? 'connect' : 'sync', () => resolve())
    socket.on('connect_error', (error) => reject(new Refused(error)))
    socket.connect()
    if (!beside) manager.engine.on('data', (data) => device.packets.push(String(data)))
    try {
      await within(10_000, `joining /${topic}`, promise)
    } catch (error) {
      device.close()
      throw error
    }
    return device
  }

  get connected(): boolean {
    return this.socket.connected
  }

  /** The next payload of this event that `next` hasn't returned yet. */
  next<Event extends keyof ServerEvents>(event: Event, ms?: number): Promise<Payload<Event>> {
    return this.inbox.next<Payload<Event>>(event, ms)
  }

  /** The first payload of this event that fits, also among earlier ones. */
  until<Event extends keyof ServerEvents>(
    event: Event,
    fits: (payload: Payload<Event>) => boolean,
    ms?: number,
  ): Promise<Payload<Event>> {
    return this.inbox.until<Payload<Event>>(event, fits, ms)
  }

  /** Every change so far in order, whether it came alone or in a `sync`. */
  get changes(): WireChange[] {
    return this.inbox.received.flatMap(({ event, payload }) => {
      if (event === 'sync') return (payload as Sync).changes
      return event === 'change' ? [payload as WireChange] : []
    })
  }

  /** Resolves to the reason once the server or the line has ended this device's connection. */
  disconnected(ms?: number): Promise<string> {
    return this.inbox.until<string>('disconnect', () => true, ms)
  }

  /** Sends a command and resolves to its ack. Adds a `mutation_id` unless the payload has one. */
  command<Data = Record<string, unknown>>(name: string, payload: object = {}): Promise<Ack<Data>> {
    return this.send<Ack<Data>>(name, { mutation_id: newId(), ...payload })
  }

  /** Sends a command that must succeed. */
  async done<Data = Record<string, unknown>>(name: string, payload: object = {}) {
    const ack = await this.command<Data>(name, payload)
    if (!ack.ok) throw new Error(`${name} was refused: ${JSON.stringify(ack.error)}`)
    const { ok: _ok, ...accepted } = ack
    return { ...accepted, seq: ack.seq!, version: ack.version! }
  }

  /** Sends a command that must fail, and resolves to its problem. */
  async refused(name: string, payload: object = {}): Promise<Problem> {
    const ack = await this.command(name, payload)
    if (ack.ok) throw new Error(`${name} was accepted: ${JSON.stringify(ack)}`)
    return ack.error
  }

  range(from: number, to: number): Promise<Ack<RangeAnswer>> {
    return this.send<Ack<RangeAnswer>>('range', { from, to })
  }

  /** Emits any event and resolves to the argument of its ack. */
  send<T>(event: string, ...args: unknown[]): Promise<T> {
    return this.socket.timeout(10_000).emitWithAck(event, ...args) as Promise<T>
  }

  /**
   * Ends the connection as a closed tab does, without waiting for acks. A device that joined beside
   * another one only leaves its namespace.
   */
  close(): void {
    if (this.#sharesConnection) this.socket.disconnect()
    else this.#manager._close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.close()
    return Promise.resolve()
  }
}
