// The conversations whose messages are kept in memory: the open ones, and those that were closed
// last. Each has a window of messages that reaches to the newest one.

const MAX_CLOSED = 20

export class MessageWindows {
  /** Conversation -> how often it is open. */
  readonly #open = new Map<string, number>()
  /** Closed conversations that still have a window; the one that was closed first comes first. */
  readonly #closed = new Set<string>()

  has(id: string): boolean {
    return this.#open.has(id) || this.#closed.has(id)
  }

  /** Returns the open conversations and gives up the windows of the closed ones. */
  keepOpen(): string[] {
    this.#closed.clear()
    return [...this.#open.keys()]
  }

  open(id: string): void {
    this.#closed.delete(id)
    this.#open.set(id, (this.#open.get(id) ?? 0) + 1)
  }

  /** Returns the conversation whose window is given up for this one, if any. */
  close(id: string): string | undefined {
    const times = this.#open.get(id)
    if (times === undefined) return undefined
    if (times > 1) return void this.#open.set(id, times - 1)
    this.#open.delete(id)
    this.#closed.add(id)
    if (this.#closed.size <= MAX_CLOSED) return undefined
    const [oldest] = this.#closed
    this.#closed.delete(oldest!)
    return oldest
  }

  clear(): void {
    this.#open.clear()
    this.#closed.clear()
  }
}
