// Runs jobs of the same key one after the other, and jobs of different keys side by side. So
// commands of one user and topic never race within a node. If a job fails because the database is
// away, the jobs of the key that wait for it fail at once, instead of each waiting for its own
// timeout.
import { isDatabaseUnavailable } from '../store/faults.ts'

export class KeyedQueue {
  readonly #tails = new Map<string, Promise<unknown>>()

  /**
   * Runs `job` when all earlier jobs of `key` have ended, successfully or not. If the database was
   * away for the job before, it rejects without running `job`.
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

  /** Resolves when all jobs that are queued now have ended. */
  async idle(): Promise<void> {
    await Promise.allSettled(this.#tails.values())
  }
}
