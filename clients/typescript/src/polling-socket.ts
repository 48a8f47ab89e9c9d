// A topic's connection over plain HTTP, for where no WebSocket reaches the server. It behaves like
// a socket that receives a `sync` every few seconds.
import type { Ack, Handshake } from '@lockstep/protocol/sync'
import { Fault, toProblem } from '@lockstep/protocol/errors'
import type { Topic } from '@lockstep/protocol/topics'
import type { Lifetime } from './lifetime.ts'
import type { SocketLike } from './platform.ts'
import type { Call } from './rest/call.ts'

/** Between the end of a request for changes and the next one; milliseconds. */
const EVERY = 3_000

export interface PollingSocketDeps {
  call: Call
  lifetime: Lifetime
}

export class PollingSocket implements SocketLike {
  readonly #topic: Topic
  readonly #auth: () => Handshake
  readonly #deps: PollingSocketDeps
  readonly #listeners = new Map<string, ((payload: unknown) => void)[]>()
  /** Counts the connections: answers to an earlier one's requests are ignored. */
  #connection = 0
  #cancelPoll = () => {}
  /** The connection whose request for changes is under way: it has one at a time. */
  #asking: number | undefined
  #asksAgain = false

  constructor(topic: Topic, auth: () => Handshake, deps: PollingSocketDeps) {
    this.#topic = topic
    this.#auth = auth
    this.#deps = deps
  }

  on(event: string, listener: (payload: unknown) => void): void {
    this.#listeners.set(event, [...(this.#listeners.get(event) ?? []), listener])
  }

  connect(): void {
    void this.#poll(++this.#connection, 'connect_error')
  }

  disconnect(): void {
    this.#connection++
    this.#cancelPoll()
  }

  emit(event: string, payload: unknown, ack: (response: unknown) => void): void {
    const fields = typeof payload === 'object' ? payload : undefined
    void this.#send(this.#connection, event, { ...fields }, ack)
  }

  /**
   * Asks for changes now, or once more after the request that is under way.
   * @param failure the event that tells of a failure
   */
  async #poll(connection: number, failure: 'connect_error' | 'disconnect'): Promise<void> {
    this.#cancelPoll()
    if (this.#asking === connection) {
      this.#asksAgain = true
      return
    }
    this.#asking = connection
    this.#asksAgain = false
    let isBehind: boolean
    try {
      const params = { topic: this.#topic }
      const { since: query } = this.#auth()
      const sync = await this.#deps.call('readChanges', { params, query })
      if (this.#connection !== connection) return
      isBehind = sync.more
      this.#tell('sync', sync)
    } catch (error) {
      if (this.#connection !== connection) return
      this.disconnect()
      return this.#tell(failure, error instanceof Fault ? { data: toProblem(error) } : error)
    }
    if (this.#connection !== connection) return
    this.#asking = undefined
    const next = () => void this.#poll(connection, 'disconnect')
    this.#cancelPoll = this.#deps.lifetime.after(isBehind || this.#asksAgain ? 0 : EVERY, next)
  }

  async #send(
    connection: number,
    command: string,
    body: Record<string, unknown>,
    ack: (response: unknown) => void,
  ): Promise<void> {
    let response: Ack
    try {
      const params = { topic: this.#topic, command }
      response = await this.#deps.call('sendCommand', { params, body })
    } catch (error) {
      if (!(error instanceof Fault)) throw error
      // Without an answer nobody knows whether the server has done it.
      if (error.code === 'unavailable') return this.#lose(connection)
      response = { ok: false, error: toProblem(error) }
    }
    ack(response)
    // Asks for changes now, so that the command's own change arrives at once and not in a few
    // seconds.
    if (this.#connection !== connection || command === 'range' || !response.ok) return
    void this.#poll(connection, 'disconnect')
  }

  #lose(connection: number): void {
    if (this.#connection !== connection) return
    this.disconnect()
    this.#tell('disconnect', undefined)
  }

  #tell(event: string, payload: unknown): void {
    for (const listener of this.#listeners.get(event) ?? []) listener(payload)
  }
}
