// How many requests with a large body a node takes at a time, and one of each user: the others wait before their body is read, so that
// memory has a bound. Who hangs up while waiting or inside makes room.
import type { ServerResponse } from 'node:http'
import { Fault } from '@lockstep/protocol/errors'

const MAX_WAITING = 50
const RETRY_MS = 10_000

export class ImportQueue {
  #free: number
  readonly #waiting = new Set<() => void>()
  /** Who waits or is inside. */
  readonly #users = new Set<string>()

  constructor(places: number) {
    this.#free = places
  }

  /**
   * Resolves when there is a place; it is given back when the answer has been sent. Throws `unavailable` when too many wait, and
   * `rate_limited` when the user has a place already: else one could take all of them.
   */
  async enter(user_id: string, response: ServerResponse): Promise<void> {
    if (response.closed) throw new Fault('unavailable') // nobody reads it
    if (this.#users.has(user_id))
      throw new Fault('rate_limited', {
        detail: 'Another import of yours is under way',
        retry_after_ms: RETRY_MS,
      })
    this.#users.add(user_id)
    response.once('close', () => this.#users.delete(user_id))
    if (this.#free === 0) await this.#wait(response)
    else this.#free--
    if (response.closed) this.#leave()
    else response.once('close', () => this.#leave())
  }

  #wait(response: ServerResponse): Promise<void> {
    if (this.#waiting.size >= MAX_WAITING)
      throw new Fault('unavailable', {
        detail: 'Too many imports at once: try again',
        retry_after_ms: RETRY_MS,
      })
    return new Promise((resolve, reject) => {
      const proceed = () => {
        this.#waiting.delete(proceed)
        resolve()
      }
      this.#waiting.add(proceed)
      response.once('close', () => {
        if (this.#waiting.delete(proceed)) reject(new Fault('unavailable'))
      })
    })
  }

  #leave(): void {
    const [next] = this.#waiting
    if (next) next()
    else this.#free++
  }
}
