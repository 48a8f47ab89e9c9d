// Lets long commands rest. Commands share one thread, so each works for a few milliseconds and then
// lets others have a turn. The time limit of a command (`maxTimeMS`) is checked here too.
import { refusal } from './errors.ts'

/** What a source of documents returns if others should have a turn before it goes on. */
export const pause = Symbol('pause')

/** How long a command works at a time, in milliseconds. */
const SLICE_MS = 8

/** If no command has rested for so long, none of those that run is long. */
const QUIET_MS = 1_000

/** The slice and the time limit of the command that is working now. */
class Pace {
  #sliceEnd = 0
  #deadline = Infinity
  #restedAt = 0
  #resting = 0

  begin(limitMs: number): void {
    this.#deadline = performance.now() + limitMs
    this.#sliceEnd = performance.now() + SLICE_MS
  }

  get leftMs(): number {
    return this.#deadline - performance.now()
  }

  /** Whether the working command should rest. Throws if its time is over. */
  get isDue(): boolean {
    const now = performance.now()
    if (now >= this.#deadline) throw refusal('MaxTimeMSExpired', 'operation exceeded time limit')
    return now >= this.#sliceEnd
  }

  get isQuiet(): boolean {
    return this.#resting === 0 && performance.now() > this.#restedAt + QUIET_MS
  }

  /** Lets others have a turn. */
  async rest(): Promise<void> {
    const deadline = this.#deadline
    this.#deadline = Infinity
    this.#resting++
    await new Promise((resolve) => setImmediate(resolve))
    this.#resting--
    this.#deadline = deadline
    this.#restedAt = performance.now()
    this.#sliceEnd = this.#restedAt + SLICE_MS
  }
}

export const pace = new Pace()

/** What passes between two steps. A `pause` in it is passed on. */
export type Flow<T> = Iterable<T | typeof pause>

/** Leaves out the first `skip` of a flow, and all that come after `limit` more. */
export function* sliced<T>(flow: Flow<T>, skip: number, limit: number): Flow<T> {
  let at = 0
  for (const item of flow) {
    if (item !== pause && at++ < skip) continue
    yield item
    if (item !== pause && at - skip >= limit) return
  }
}

/** Takes a flow as a whole before it gives out the first result. */
export function* collected<T, R>(
  flow: Flow<T>,
  add: (item: T) => void,
  results: () => Iterable<R>,
): Flow<R> {
  for (const item of flow) {
    if (item === pause) yield pause
    else add(item)
  }
  for (const result of results()) {
    if (pace.isDue) yield pause
    yield result
  }
}

export function* mapped<T, R>(flow: Flow<T>, turn: (item: T) => R | undefined): Flow<R> {
  for (const item of flow) {
    const result = item === pause ? pause : turn(item)
    if (result !== undefined) yield result
  }
}
