// One after the other per key, different keys side by side: commands of a user and topic never race within a node. A database that is
// away for one is away for all that wait behind it: they fail with it, rather than each after a wait of its own.
import { isDatabaseUnavailable } from '../store/faults.ts'

export class KeyedQueue {
  readonly #tails = new Map<string, Promise<unknown>>()

  /**
   * Runs `job` when everything queued before under `key` has ended, whether it succeeded or not. Rejects without running it when the database
   * was away for the one before.
   */
  run<T>(key: string, job: () => Promise<T>): Promise<T> {
    const before = this.#tails.get(key) ?? Promise.resolve()
    const result = before.then(job, (error: unknown) => {
      if (isDatabaseUnavailable(error)) throw error
      return job()
    })
    this.#tails.set(key, result)
    const ended = () => {
      if (this.#tails.get(key) === result) this.#tails.delete(key)
    }
    result.then(ended, ended)
    return result
  }

  /** Resolves when all that is queued now has ended. */
  async idle(): Promise<void> {
    await Promise.allSettled(this.#tails.values())
  }
}
