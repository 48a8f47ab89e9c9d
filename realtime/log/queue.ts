// One after the other per key, different keys side by side: commands of a user and topic never race within a node.
export class KeyedQueue {
  readonly #tails = new Map<string, Promise<unknown>>()

  /** Runs `job` when everything queued before under `key` has ended, whether it succeeded or not. */
  run<T>(key: string, job: () => Promise<T>): Promise<T> {
    const before = this.#tails.get(key) ?? Promise.resolve()
    const result = before.then(job, job)
    const tail = result.catch(() => undefined)
    this.#tails.set(key, tail)
    void tail.then(() => {
      if (this.#tails.get(key) === tail) this.#tails.delete(key)
    })
    return result
  }

  /** Resolves when all that is queued now has ended. */
  async idle(): Promise<void> {
    await Promise.all(this.#tails.values())
  }
}
