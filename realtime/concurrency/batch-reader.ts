// Look-ups that are asked for at about the same time share one query. The invariant: each answer
// comes from a query that began after it was asked for, so that no answer is older than its
// question.

export interface BatchReaderOptions {
  /** Default: 500. */
  keysPerQuery?: number
  /** Default: 2. */
  queriesAtOnce?: number
}

export class BatchReader<T> {
  readonly #query: (keys: readonly string[]) => Promise<ReadonlyMap<string, T>>
  readonly #keysPerQuery: number
  readonly #queriesAtOnce: number
  readonly #asked = new Map<string, PromiseWithResolvers<T | undefined>>()
  #running = 0
  #isScheduled = false

  /** @param query finds the values of keys; keys without a value are left out */
  constructor(
    query: (keys: readonly string[]) => Promise<ReadonlyMap<string, T>>,
    { keysPerQuery = 500, queriesAtOnce = 2 }: BatchReaderOptions = {},
  ) {
    this.#query = query
    this.#keysPerQuery = keysPerQuery
    this.#queriesAtOnce = queriesAtOnce
  }

  /** Undefined: the key has no value. Rejects as the query does. */
  read(key: string): Promise<T | undefined> {
    let asked = this.#asked.get(key)
    if (!asked) this.#asked.set(key, (asked = Promise.withResolvers()))
    this.#schedule()
    return asked.promise
  }

  #schedule(): void {
    if (this.#isScheduled || this.#running >= this.#queriesAtOnce || this.#asked.size === 0) return
    this.#isScheduled = true
    setImmediate(() => {
      this.#isScheduled = false
      void this.#run()
      this.#schedule()
    })
  }

  async #run(): Promise<void> {
    const batch = [...this.#asked].slice(0, this.#keysPerQuery)
    for (const [key] of batch) this.#asked.delete(key)
    this.#running++
    try {
      const found = await this.#query(batch.map(([key]) => key))
      for (const [key, { resolve }] of batch) resolve(found.get(key))
    } catch (error) {
      for (const [, { reject }] of batch) reject(error)
    } finally {
      this.#running--
      this.#schedule()
    }
  }
}
