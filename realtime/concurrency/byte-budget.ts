/**
 * Limits the bytes that are held at the same time. Whoever asks for more than the whole budget gets
 * it alone. Others wait in the order of their arrival.
 */
export class ByteBudget {
  readonly #budget: number
  #held = 0
  readonly #waiting: { bytes: number; begin: () => void }[] = []

  constructor(budget: number) {
    this.#budget = budget
  }

  /** Waits for room, runs `job` and settles as `job` does. */
  async hold<T>(bytes: number, job: () => Promise<T>): Promise<T> {
    const taken = Math.min(bytes, this.#budget)
    if (this.#waiting.length > 0 || this.#held + taken > this.#budget)
      await new Promise<void>((begin) => this.#waiting.push({ bytes: taken, begin }))
    else this.#held += taken
    try {
      return await job()
    } finally {
      this.#held -= taken
      this.#admit()
    }
  }

  #admit(): void {
    for (let next = this.#waiting[0]; next; next = this.#waiting[0]) {
      if (this.#held + next.bytes > this.#budget) return
      this.#waiting.shift()
      this.#held += next.bytes
      next.begin()
    }
  }
}
