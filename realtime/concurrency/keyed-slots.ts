// Limits how much goes on at the same time for each key. Holders above the limit wait in order, so
// that one key's crowd of requests can't take more slots than another key has.

export interface Slot {
  /** Resolves when the slot is free for its holder, or when the holder has left. */
  ready: Promise<void>
  /** Gives the slot, or the place in the queue, back. May be called more than once. */
  leave(): void
}

interface Queue {
  running: number
  waiting: Set<() => void>
}

export class KeyedSlots {
  readonly #slots: number
  readonly #maxWaiting: number
  readonly #queues = new Map<string, Queue>()

  constructor(slots: number, maxWaiting: number) {
    this.#slots = slots
    this.#maxWaiting = maxWaiting
  }

  /** Undefined if too many wait for this key. */
  enter(key: string): Slot | undefined {
    const queue = this.#queues.get(key) ?? { running: 0, waiting: new Set() }
    if (queue.waiting.size >= this.#maxWaiting) return undefined
    this.#queues.set(key, queue)
    const { promise: ready, resolve } = Promise.withResolvers<void>()
    let state: 'waiting' | 'running' | 'left' = 'waiting'
    const start = () => {
      state = 'running'
      queue.waiting.delete(start)
      queue.running++
      resolve()
    }
    if (queue.running < this.#slots) start()
    else queue.waiting.add(start)
    const leave = () => {
      if (state === 'running') queue.running--
      queue.waiting.delete(start)
      state = 'left'
      resolve()
      const [next] = queue.waiting
      if (next && queue.running < this.#slots) next()
      if (queue.running === 0 && queue.waiting.size === 0) this.#queues.delete(key)
    }
    return { ready, leave }
  }
}
