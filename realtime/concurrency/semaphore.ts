/**
 * Runs at most `permits` jobs at the same time. The others wait and start in the order of their
 * arrival.
 */
export class Semaphore {
  #free: number
  /** The callbacks that hand a permit over, in order of arrival. */
  readonly #waiting = new Set<() => void>()

  constructor(permits: number) {
    this.#free = permits
  }

  /** The number of callers that wait for a permit. */
  get waiting(): number {
    return this.#waiting.size
  }

  /** Waits for a permit, runs `job` and settles as `job` does. */
  async run<T>(job: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--
    else await this.#wait()
    try {
      return await job()
    } finally {
      const [next] = this.#waiting
      if (next) next()
      else this.#free++
    }
  }

  #wait(): Promise<void> {
    return new Promise((resolve) => {
      const proceed = () => {
        this.#waiting.delete(proceed)
        resolve()
      }
      this.#waiting.add(proceed)
    })
  }
}
