// Gives memory back to the system after large commands. Without being asked for all of it, V8 keeps
// the pages of garbage that it has collected for as long as the process lives.
import { getHeapStatistics, setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { pace } from './pace.ts'

/** Less than this isn't worth the work: some 10 ms for 100 MB. */
const WORTHWHILE_BYTES = 64 * 1024 * 1024
/**
 * What remained the last time may have been in use then, such as by a cursor. With each look it
 * counts for less, so that it is given back some 20 s after that.
 */
const KEPT_PER_LOOK = 0.9

type Collect = (options: { type: 'major'; execution: 'sync'; flavor: 'last-resort' }) => void

/** The function exists only in contexts that are made while V8 has this flag. */
function collector(): Collect {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as Collect
  setFlagsFromString('--no-expose-gc')
  return collect
}

export class Memory {
  readonly #releaseMore: () => void
  readonly #collect = collector()
  #low = getHeapStatistics().total_heap_size
  #high = 0

  /** `releaseMore` gives back what isn't V8's. */
  constructor(releaseMore: () => void) {
    this.#releaseMore = releaseMore
  }

  /** To be called every few seconds. Gives back what the commands before have left. */
  relieve(): void {
    this.#low *= KEPT_PER_LOOK
    this.#high = Math.max(this.#high, getHeapStatistics().total_heap_size)
    if (this.#high < this.#low + WORTHWHILE_BYTES || !pace.isQuiet) return
    this.#releaseMore()
    this.#collect({ type: 'major', execution: 'sync', flavor: 'last-resort' })
    this.#low = getHeapStatistics().total_heap_size
    this.#high = 0
  }
}
