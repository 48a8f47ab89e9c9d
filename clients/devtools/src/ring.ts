// The newest values by key. An old one makes room for a new one, so a history has an end.
export class Ring<Key, Value> {
  readonly #size: number
  readonly #values = new Map<Key, Value>()

  constructor(size: number) {
    this.#size = size
  }

  /** Oldest first. */
  get values(): readonly Value[] {
    return [...this.#values.values()]
  }

  get(key: Key): Value | undefined {
    return this.#values.get(key)
  }

  /** A known key keeps its place. */
  set(key: Key, value: Value): void {
    this.#values.set(key, value)
    const [oldest] = this.#values.keys()
    if (this.#values.size > this.#size && oldest !== undefined) this.#values.delete(oldest)
  }

  clear(): void {
    this.#values.clear()
  }
}
