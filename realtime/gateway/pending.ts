// Changes that wait for a device, bounded in number and bytes: what doesn't fit is forgotten, because the log has it.
import type { WireChange } from '@lockstep/protocol/change'

export interface PendingLimits {
  changes: number
  /** About, of JSON. */
  bytes: number
}

const sizes = new WeakMap<WireChange, number>()

/** Length of a change's JSON; measured once, however many devices wait for it. */
function sizeOf(change: WireChange): number {
  let size = sizes.get(change)
  if (size === undefined) sizes.set(change, (size = JSON.stringify(change).length))
  return size
}

export class Pending {
  readonly #limits: PendingLimits
  readonly #changes = new Map<number, WireChange>()
  #bytes = 0
  #highest = 0
  #complete = true

  constructor(limits: PendingLimits) {
    this.#limits = limits
  }

  get size(): number {
    return this.#changes.size
  }

  /** Keeps a change; duplicates count once. False when it no longer fits: then everything kept is forgotten. */
  add(change: WireChange): boolean {
    if (this.#changes.has(change.seq)) return this.#complete
    this.#changes.set(change.seq, change)
    this.#bytes += sizeOf(change)
    this.#highest = Math.max(this.#highest, change.seq)
    if (this.#changes.size > this.#limits.changes || this.#bytes > this.#limits.bytes) {
      this.#changes.clear()
      this.#bytes = 0
      this.#complete = false
    }
    return this.#complete
  }

  take(seq: number): WireChange | undefined {
    const change = this.#changes.get(seq)
    if (change) {
      this.#changes.delete(seq)
      this.#bytes -= sizeOf(change)
    }
    return change
  }

  /** Forgets what is not above `seq`. True when what is left, if anything, follows `seq` without a gap. */
  follows(seq: number): boolean {
    for (const known of this.#changes.keys()) if (known <= seq) this.take(known)
    if (this.#highest <= seq) return (this.#complete = true)
    return this.#complete && this.#highest - seq === this.#changes.size
  }
}
