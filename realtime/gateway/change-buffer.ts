// The changes that wait for a device. Their number and size are limited. When the limit is
// exceeded, the buffer forgets all of them, because the device can be caught up from the log.
import type { WireChange } from '@lockstep/protocol/change'

export interface ChangeBufferLimits {
  changes: number
  /** Approximate size of the changes as JSON. */
  bytes: number
}

const sizes = new WeakMap<WireChange, number>()

/** The length of a change's JSON. It is measured once for all devices that wait for the change. */
function sizeOf(change: WireChange): number {
  let size = sizes.get(change)
  if (size === undefined) sizes.set(change, (size = JSON.stringify(change).length))
  return size
}

export class ChangeBuffer {
  readonly #limits: ChangeBufferLimits
  readonly #changes = new Map<number, WireChange>()
  #bytes = 0
  #highestSeq = 0
  #isComplete = true

  constructor(limits: ChangeBufferLimits) {
    this.#limits = limits
  }

  get size(): number {
    return this.#changes.size
  }

  /**
   * Adds a change unless the buffer has it already. Returns false when the limit is exceeded; the
   * buffer has then forgotten all changes.
   */
  add(change: WireChange): boolean {
    if (this.#changes.has(change.seq)) return this.#isComplete
    this.#changes.set(change.seq, change)
    this.#bytes += sizeOf(change)
    this.#highestSeq = Math.max(this.#highestSeq, change.seq)
    if (this.#changes.size > this.#limits.changes || this.#bytes > this.#limits.bytes) {
      this.#changes.clear()
      this.#bytes = 0
      this.#isComplete = false
    }
    return this.#isComplete
  }

  /** Removes and returns the change with this `seq`. */
  take(seq: number): WireChange | undefined {
    const change = this.#changes.get(seq)
    if (change) {
      this.#changes.delete(seq)
      this.#bytes -= sizeOf(change)
    }
    return change
  }

  /**
   * Removes the changes up to and including `seq`. Returns true if the remaining changes, if there
   * are any, continue from `seq` without a gap.
   */
  dropUpTo(seq: number): boolean {
    for (const buffered of this.#changes.keys()) if (buffered <= seq) this.take(buffered)
    if (this.#highestSeq <= seq) return (this.#isComplete = true)
    return this.#isComplete && this.#highestSeq - seq === this.#changes.size
  }
}
