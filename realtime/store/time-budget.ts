// The time that one use case may take of the database. The database enforces it (`maxTimeMS`), so
// that a read that nobody waits for any more doesn't slow others down.

/** The time was over before the database could be asked. */
export class TimeOver extends Error {}

export class TimeBudget {
  readonly #end: number

  /** The time begins now. */
  constructor(ms: number) {
    this.#end = performance.now() + ms
  }

  /** Throws `TimeOver` if nothing is left. */
  check(): void {
    if (performance.now() >= this.#end) throw new TimeOver('the time for this read is over')
  }

  /** An option of the driver's reads: what is left. Throws `TimeOver` if nothing is. */
  get left(): { maxTimeMS: number } {
    this.check()
    return { maxTimeMS: Math.ceil(this.#end - performance.now()) }
  }
}
