// Limits how many requests with a large body a node handles at the same time: a fixed number in
// all, and one per user. The others wait before their body is read, so that memory stays bounded. A
// request whose connection closes gives up its turn, whether it is waiting or running.
import type { ServerResponse } from 'node:http'
import { Fault } from '@lockstep/protocol/errors'
import { Semaphore } from '../concurrency/semaphore.ts'

const MAX_WAITING = 50
const RETRY_MS = 10_000

export class ImportQueue {
  readonly #semaphore: Semaphore
  /** Users with a request that is waiting or running. */
  readonly #users = new Set<string>()

  constructor(maxRunning: number) {
    this.#semaphore = new Semaphore(maxRunning)
  }

  /**
   * Resolves when the request may go on; its turn ends when the response is closed. Throws
   * `unavailable` if too many requests are waiting or the connection closes, and `rate_limited` if
   * the user has another request here. Otherwise one user could take every turn.
   */
  async enter(user_id: string, response: ServerResponse): Promise<void> {
    if (response.closed) throw new Fault('unavailable') // nobody will read it
    if (this.#users.has(user_id))
      throw new Fault('rate_limited', {
        detail: 'Another import of yours is running',
        retry_after_ms: RETRY_MS,
      })
    if (this.#semaphore.waiting >= MAX_WAITING)
      throw new Fault('unavailable', {
        detail: 'Too many imports are running; try again',
        retry_after_ms: RETRY_MS,
      })
    const closed = new AbortController()
    this.#users.add(user_id)
    response.once('close', () => {
      this.#users.delete(user_id)
      closed.abort(new Fault('unavailable'))
    })
    await this.#semaphore.acquire(closed.signal)
    if (response.closed) this.#semaphore.release()
    else response.once('close', () => this.#semaphore.release())
  }
}
