// Shares a few places among many owners. While somebody waits, long work gives up its place after
// a step and joins the end of the queue. So a new owner waits until the others' present slices end,
// not until all their work ends. An owner has one place or one position in the queue at a time.

export interface FairTurnsOptions {
  /** How many pieces of work go on at the same time. */
  places: number
  /** After this time, work gives its place up if somebody waits for one (ms). */
  sliceMs: number
  now?: () => number
}

export interface Turn {
  /**
   * To be called between two steps: gives the place up for others if it is time. Rejects with the
   * signal's reason if the signal aborts meanwhile.
   */
  share(signal: AbortSignal): Promise<void>
  /** Must be called once, also after `share` has rejected. */
  end(): void
}

interface Waiting {
  owner: string
  proceed: () => void
}

export class FairTurns {
  readonly #options: FairTurnsOptions
  readonly #now: () => number
  /** The owners that have a place. */
  readonly #running = new Set<string>()
  /** In the order in which they get a place. */
  readonly #queue: Waiting[] = []

  constructor(options: FairTurnsOptions) {
    this.#options = options
    this.#now = options.now ?? (() => performance.now())
  }

  /** How many pieces of work wait for a place: of all owners, or of one. */
  waiting(owner?: string): number {
    if (owner === undefined) return this.#queue.length
    return this.#queue.filter((waiting) => waiting.owner === owner).length
  }

  /**
   * 0: the owner has a place. n: n - 1 others get a place before the owner. Undefined: the owner
   * has no work here.
   */
  positionOf(owner: string): number | undefined {
    if (this.#running.has(owner)) return 0
    const index = this.#queue.findIndex((waiting) => waiting.owner === owner)
    return index === -1 ? undefined : index + 1
  }

  /** Waits for a place. Rejects with the signal's reason if the signal aborts before that. */
  async take(owner: string, signal: AbortSignal): Promise<Turn> {
    await this.#enter(owner, signal)
    let began = this.#now()
    let hasPlace = true
    const leave = () => {
      if (hasPlace) this.#leave(owner)
      hasPlace = false
    }
    return {
      share: async (signal) => {
        if (this.#queue.length === 0 || this.#now() - began < this.#options.sliceMs) return
        leave()
        await this.#enter(owner, signal)
        hasPlace = true
        began = this.#now()
      },
      end: leave,
    }
  }

  #enter(owner: string, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const abort = () => {
        this.#queue.splice(this.#queue.indexOf(waiting), 1)
        reject(signal.reason as Error)
      }
      const waiting = {
        owner,
        proceed: () => {
          signal.removeEventListener('abort', abort)
          resolve()
        },
      }
      if (signal.aborted) return reject(signal.reason as Error)
      this.#queue.push(waiting)
      signal.addEventListener('abort', abort, { once: true })
      this.#fillPlaces()
    })
  }

  #leave(owner: string): void {
    this.#running.delete(owner)
    this.#fillPlaces()
  }

  /** Gives free places to the first in the queue whose owner has none. */
  #fillPlaces(): void {
    while (this.#running.size < this.#options.places) {
      const index = this.#queue.findIndex(({ owner }) => !this.#running.has(owner))
      if (index === -1) return
      const [next] = this.#queue.splice(index, 1)
      this.#running.add(next!.owner)
      next!.proceed()
    }
  }
}
