// Memory may be held for slow clients, for what they have not read or not finished sending. If it
// exceeds its budget, this file decides what is released.

/** Something that holds memory for an owner: a user or an address. */
export interface Held {
  owner: string
  bytes: number
}

export interface MemoryBudget {
  /** Bytes. */
  perOwner: number
  inAll: number
}

/**
 * The things that must be released so that the rest fits. The owner who holds the most loses the
 * largest first, so that nobody else pays for what one owner holds.
 */
export function toRelease<T extends Held>(held: Iterable<T>, budget: MemoryBudget): T[] {
  const byOwner = [...Map.groupBy(held, ({ owner }) => owner).values()].map((things) => ({
    things: things.sort((a, b) => a.bytes - b.bytes),
    bytes: things.reduce((sum, { bytes }) => sum + bytes, 0),
  }))
  let total = byOwner.reduce((sum, { bytes }) => sum + bytes, 0)
  const released: T[] = []
  for (;;) {
    const most = byOwner.reduce((a, b) => (b.bytes > a.bytes ? b : a), { things: [], bytes: 0 })
    const largest = most.things.at(-1)
    if (!largest || (most.bytes <= budget.perOwner && total <= budget.inAll)) return released
    most.things.pop()
    most.bytes -= largest.bytes
    total -= largest.bytes
    released.push(largest)
  }
}
