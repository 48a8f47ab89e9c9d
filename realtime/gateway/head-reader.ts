// Reads of heads that are asked for at about the same time share one query. The invariant: each answer comes from a query that began
// after the question, else a device could take an old head for the present one.
import type { Cursor } from '@lockstep/protocol/cursor'
import { Fault } from '@lockstep/protocol/errors'
import type { Log } from '../log/log.ts'

const BATCH = 500
const QUERIES = 2

export class HeadReader {
  readonly #log: Pick<Log, 'heads'>
  #waiting = new Map<string, PromiseWithResolvers<Cursor>>()
  #running = 0
  #scheduled = false

  constructor(log: Pick<Log, 'heads'>) {
    this.#log = log
  }

  /** @param key `<user>:<topic>`. Throws `not_found` for a user that doesn't exist. */
  read(key: string): Promise<Cursor> {
    let question = this.#waiting.get(key)
    if (!question) this.#waiting.set(key, (question = Promise.withResolvers<Cursor>()))
    this.#schedule()
    return question.promise
  }

  #schedule(): void {
    if (this.#scheduled || this.#running >= QUERIES || this.#waiting.size === 0) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      void this.#query()
      this.#schedule()
    })
  }

  async #query(): Promise<void> {
    const batch = [...this.#waiting].slice(0, BATCH)
    for (const [key] of batch) this.#waiting.delete(key)
    this.#running++
    try {
      const heads = await this.#log.heads(batch.map(([key]) => key))
      for (const [key, { resolve, reject }] of batch) {
        const head = heads.get(key)
        if (head) resolve({ ...head })
        else reject(new Fault('not_found', { detail: 'There is no such user' }))
      }
    } catch (error) {
      for (const [, { reject }] of batch) reject(error)
    } finally {
      this.#running--
      this.#schedule()
    }
  }
}
