// A clock that moves only when it is told to. It replaces the timers and the time of this process,
// so that an hour of timers passes as fast as their work can be done.
import { syncBuiltinESMExports } from 'node:module'
import timers from 'node:timers'
import timersPromises from 'node:timers/promises'

/** Timers that are due within the same span of this length fire in one step (ms). */
const GRAIN_MS = 10

/** The processor's time, whatever the virtual clock says (ms). */
export const realNow = performance.now.bind(performance)

const realSleep = timersPromises.setTimeout

/** When a timer is due. It is stale if the timer was cancelled or started again meanwhile. */
interface Due {
  at: number
  order: number
  timer: VirtualTimer
  start: number
}

type Used = Pick<NodeJS.Timeout, 'ref' | 'unref' | 'hasRef' | 'refresh' | 'close'>
type NodeTimer = { [Name in keyof Used]: () => unknown }

/** What `setTimeout` returns. */
class VirtualTimer implements NodeTimer {
  readonly #clock: VirtualClock
  readonly ms: number
  readonly fire: () => void
  readonly isRepeated: boolean
  /** Counts the starts; 0: it does not run. */
  start = 0

  constructor(clock: VirtualClock, fire: () => void, ms: number, isRepeated: boolean) {
    this.#clock = clock
    this.fire = fire
    this.ms = Math.max(1, ms)
    this.isRepeated = isRepeated
    clock.schedule(this)
  }

  // The clock does not keep the process alive, so these change nothing.
  ref() {
    return this
  }
  unref() {
    return this
  }
  hasRef() {
    return true
  }
  refresh() {
    this.#clock.schedule(this)
    return this
  }
  close() {
    this.start = 0
    return this
  }
}

export class VirtualClock {
  /** Since the beginning of the simulation (ms). */
  now = 0
  readonly #began = Date.now()
  /** A binary heap by time and order. */
  readonly #heap: Due[] = []
  #order = 0

  schedule(timer: VirtualTimer): void {
    timer.start = ++this.#order
    this.#push({ at: this.now + timer.ms, order: this.#order, timer, start: timer.start })
  }

  /** From now on, this process has the virtual time. Modules that are loaded later see no other. */
  install(): void {
    const start =
      (isRepeated: boolean) =>
      (callback: (...args: unknown[]) => void, ms = 1, ...args: unknown[]) =>
        new VirtualTimer(this, () => callback(...args), ms, isRepeated)
    const stop = (timer: unknown) => void (timer instanceof VirtualTimer && timer.close())
    const replaced = {
      setTimeout: start(false),
      setInterval: start(true),
      clearTimeout: stop,
      clearInterval: stop,
    }
    const wallTime = () => this.#began + Math.floor(this.now)
    class VirtualDate extends Date {
      constructor(...args: [] | [number | string | Date]) {
        super(args[0] ?? wallTime())
      }
      static override now(): number {
        return wallTime()
      }
    }
    Object.assign(globalThis, replaced, { Date: VirtualDate })
    Object.assign(timers, replaced)
    Object.assign(timersPromises, { setTimeout: this.#sleep })
    performance.now = () => this.now
    syncBuiltinESMExports()
  }

  /**
   * Lets `ms` of virtual time pass.
   *
   * @param settled resolves when all work of the moment is done; the next moment begins after it
   */
  async pass(ms: number, settled: () => Promise<void>): Promise<void> {
    const end = this.now + ms
    for (;;) {
      await settled()
      const next = this.#next()
      if (!next || next.at > end) break
      this.now = Math.min(end, Math.max(this.now, Math.ceil(next.at / GRAIN_MS) * GRAIN_MS))
      this.#fireDue()
    }
    this.now = end
  }

  /** Lets virtual time pass as fast as the real one until the work is done. */
  async keepPace<T>(work: Promise<T>): Promise<T> {
    let isDone = false
    const finish = () => void (isDone = true)
    work.then(finish, finish)
    for (let last = realNow(); !isDone;) {
      await realSleep(2)
      const now = realNow()
      await this.pass(now - last, () => Promise.resolve())
      last = now
    }
    return work
  }

  readonly #sleep = <T>(ms = 1, value?: T, { signal }: { signal?: AbortSignal } = {}) =>
    new Promise<T | undefined>((resolve, reject) => {
      const timer = new VirtualTimer(this, () => resolve(value), ms, false)
      const abort = () => {
        timer.close()
        reject(new DOMException('The sleep was aborted', 'AbortError'))
      }
      if (signal?.aborted) abort()
      else signal?.addEventListener('abort', abort, { once: true })
    })

  #fireDue(): void {
    for (let next = this.#next(); next && next.at <= this.now; next = this.#next()) {
      this.#pop()
      const { timer } = next
      if (timer.isRepeated) this.schedule(timer)
      else timer.start = 0
      timer.fire()
    }
  }

  /** The first timer that still runs. */
  #next(): Due | undefined {
    while (this.#heap[0] && this.#heap[0].start !== this.#heap[0].timer.start) this.#pop()
    return this.#heap[0]
  }

  #push(due: Due): void {
    const heap = this.#heap
    let at = heap.push(due) - 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!isBefore(heap[at]!, heap[parent]!)) return
      swap(heap, at, parent)
      at = parent
    }
  }

  #pop(): void {
    const heap = this.#heap
    const last = heap.pop()!
    if (heap.length === 0) return
    heap[0] = last
    for (let at = 0; ;) {
      let first = at
      for (const child of [2 * at + 1, 2 * at + 2])
        if (child < heap.length && isBefore(heap[child]!, heap[first]!)) first = child
      if (first === at) return
      swap(heap, at, first)
      at = first
    }
  }
}

const isBefore = (a: Due, b: Due) => a.at < b.at || (a.at === b.at && a.order < b.order)

function swap(heap: Due[], a: number, b: number): void {
  const due = heap[a]!
  heap[a] = heap[b]!
  heap[b] = due
}
