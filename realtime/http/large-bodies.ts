// Limits what large bodies occupy: one per user, and together a part of the disk. A body that
// arrives slowly holds only its own bytes. Work on its content takes turns (`FairTurns`), which
// begin when the whole body has arrived.
import type { ServerResponse } from 'node:http'
import { Fault } from '@lockstep/protocol/errors'

const RETRY_MS = 10_000

export class LargeBodies {
  readonly #maxBytes: number
  #bytes = 0
  /** Users with a request that is arriving or running. */
  readonly #users = new Set<string>()

  /** @param maxBytes for all bodies at the same time */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /**
   * Admits a request until its response is closed. Throws `unavailable` if its body exceeds what is
   * left or nobody waits for it any more, and `rate_limited` if the user has another request here.
   */
  admit(user_id: string, bytes: number, response: ServerResponse): void {
    if (response.closed) throw new Fault('unavailable') // nobody will read it
    if (this.#users.has(user_id))
      throw new Fault('rate_limited', {
        detail: 'Another import of yours is running',
        retry_after_ms: RETRY_MS,
      })
    if (this.#bytes + bytes > this.#maxBytes)
      throw new Fault('unavailable', {
        detail: 'Too many large files are being imported; try again',
        retry_after_ms: RETRY_MS,
      })
    this.#users.add(user_id)
    this.#bytes += bytes
    response.once('close', () => {
      this.#users.delete(user_id)
      this.#bytes -= bytes
    })
  }
}
