// Tells listeners that something changed, once for everything that changed in the same turn.
export class Notifier {
  readonly #listeners = new Set<() => void>()
  readonly #also: (() => void) | undefined
  #scheduled = false

  /** @param also called at once, each time */
  constructor(also?: () => void) {
    this.#also = also
  }

  subscribe(listener: () => void): () => void {
    // A wrapper: subscribing the same function twice means being told twice, and each unsubscriber ends its own.
    const own = () => listener()
    this.#listeners.add(own)
    return () => this.#listeners.delete(own)
  }

  changed(): void {
    this.#also?.()
    if (this.#scheduled) return
    this.#scheduled = true
    queueMicrotask(() => {
      this.#scheduled = false
      for (const listener of this.#listeners) listener()
    })
  }
}
