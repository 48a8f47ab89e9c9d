// Tells listeners that something has changed: once for all changes of the same turn.
export class Notifier {
  readonly #listeners = new Set<() => void>()
  readonly #onChange: (() => void) | undefined
  #scheduled = false

  /** @param onChange called at each change, at once */
  constructor(onChange?: () => void) {
    this.#onChange = onChange
  }

  subscribe(listener: () => void): () => void {
    // A function of its own for each call: a listener that subscribes twice is told twice, and each
    // returned function ends only its own subscription.
    const own = () => listener()
    this.#listeners.add(own)
    return () => this.#listeners.delete(own)
  }

  changed(): void {
    this.#onChange?.()
    if (this.#scheduled) return
    this.#scheduled = true
    queueMicrotask(() => {
      this.#scheduled = false
      for (const listener of this.#listeners) listener()
    })
  }
}
