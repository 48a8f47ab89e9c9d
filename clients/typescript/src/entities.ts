// The confirmed state of a topic: its entities as the server's log made them. Entities that the log alone can't give are loaded; changes
// that arrive meanwhile are kept and applied after the load, so that an older answer never covers a newer change.
import type { WireChange } from '@lockstep/protocol/change'
import { Fault } from '@lockstep/protocol/errors'
import { createDeferred, type Deferred } from './deferred.ts'
import { isRetryable } from './rest/call.ts'
import type { TopicModel } from './topic-model.ts'
import type { Lifetime } from './lifetime.ts'

const MOST_LOADS = 4

interface Load<Held> {
  kept: WireChange[]
  /** The version that made it necessary: an older answer won't do. */
  needed: number
  done: Deferred<Held | undefined>
}

export interface EntitiesDeps {
  changed(key: string): void
  /** An answer came of another log than the one that is followed. */
  otherLog(epoch: string | undefined): boolean
}

export class Entities<Held extends object> {
  readonly #model: TopicModel<Held>
  readonly #port: EntitiesDeps
  readonly #scope: Lifetime
  readonly #waiting: string[] = []
  readonly #watchers = new Map<string, Set<(change?: WireChange) => void>>()
  #held = new Map<string, Held>()
  #loads = new Map<string, Load<Held>>()
  #running = 0
  /** Counts the reloads: what was asked for before one is worthless after it. */
  #generation = 0

  constructor(model: TopicModel<Held>, port: EntitiesDeps, scope: Lifetime) {
    this.#model = model
    this.#port = port
    this.#scope = scope
  }

  get generation(): number {
    return this.#generation
  }

  get loading(): number {
    return this.#loads.size
  }

  isLoading(key: string): boolean {
    return this.#loads.has(key)
  }

  get(key: string): Held | undefined {
    return this.#held.get(key)
  }

  keys(): IterableIterator<string> {
    return this.#held.keys()
  }

  /** Everything anew. */
  replaceAll(held: Map<string, Held>): void {
    const before = this.#held
    this.#generation++
    this.#held = new Map()
    const loads = this.#loads
    this.#loads = new Map()
    this.#waiting.length = 0
    for (const [key, value] of held) this.set(key, value)
    for (const key of before.keys()) if (!held.has(key)) this.#port.changed(key)
    for (const key of this.#watchers.keys()) this.#notify(key)
    for (const [key, { done }] of loads) done.resolve(this.load(key))
  }

  /** `change`: what made it so, if it was the log. */
  set(key: string, held: Held, change?: WireChange): void {
    this.#held.set(key, this.#model.trim?.(key, held) ?? held)
    this.#port.changed(key)
    this.#notify(key, change)
  }

  /** Takes what a page of a list has, unless something is known of the entity: that is as new, or will be by the log. */
  offer(key: string, held: Held): void {
    if (!this.#held.has(key) && !this.#loads.has(key)) this.set(key, held)
  }

  /** The next change of the log. */
  follow(change: WireChange): void {
    const key = this.#model.keyOf(change)
    const load = this.#loads.get(key)
    if (load) {
      load.kept.push(change)
      load.needed = Math.max(load.needed, change.version)
    }
    const held = this.#held.get(key)
    const following = this.#model.actionFor(held, change)
    if (following === 'load') return void (load ?? this.load(key, change.version))
    if (following === 'ignore') return
    const reduced = this.#model.reduce(held, change)
    if (following === 'end') this.#loads.delete(key)
    if (reduced) this.set(key, reduced, change)
    if (following === 'end') load?.done.resolve(reduced)
  }

  /** Calls `watcher` with each change that was applied to the entity, and without one when it was set otherwise. */
  watch(key: string, watcher: (change?: WireChange) => void): () => void {
    const watchers = this.#watchers.get(key) ?? new Set()
    this.#watchers.set(key, watchers.add(watcher))
    return () => {
      watchers.delete(watcher)
      if (watchers.size === 0) this.#watchers.delete(key)
    }
  }

  #notify(key: string, change?: WireChange): void {
    for (const watcher of this.#watchers.get(key) ?? []) watcher(change)
  }

  /** Reads an entity, once at a time and as often as it takes. Resolves with what is held then; undefined when it is gone. */
  load(key: string, needed = 0): Promise<Held | undefined> {
    const present = this.#loads.get(key)
    if (present) return present.done.promise
    const load: Load<Held> = { kept: [], needed, done: createDeferred() }
    this.#loads.set(key, load)
    this.#port.changed(key)
    this.#waiting.push(key)
    // Behind the batch of changes at hand: one of them may be the entity's end.
    queueMicrotask(() => this.#next())
    return load.done.promise
  }

  #next(): void {
    while (this.#running < MOST_LOADS && this.#waiting.length > 0) {
      const key = this.#waiting.shift()!
      const load = this.#loads.get(key)
      if (!load) continue
      this.#running++
      void this.#run(key, load).finally(() => {
        this.#running--
        if (!this.#scope.ended) this.#next()
      })
    }
  }

  async #run(key: string, load: Load<Held>): Promise<void> {
    const isCurrent = () => !this.#scope.ended && this.#loads.get(key) === load
    for (let attempt = 0; isCurrent(); attempt++) {
      load.kept.length = 0
      const answer = await this.#ask(key)
      if (!isCurrent()) return
      if (answer && answer !== 'gone' && this.#port.otherLog(answer.epoch)) return
      if (answer && this.#finish(key, load, answer === 'gone' ? undefined : answer.held)) return
      await this.#scope.sleep(this.#scope.delay(attempt))
    }
  }

  /** undefined: ask again later. */
  async #ask(key: string) {
    try {
      return await this.#model.loadOne(key, this.#held.get(key))
    } catch (error) {
      if (error instanceof Fault && error.code === 'not_found') return 'gone' as const
      if (!(error instanceof Fault)) throw error
      return isRetryable(error) ? undefined : ('gone' as const)
    }
  }

  /** False when the answer doesn't lead to the present: it has to be asked for again. */
  #finish(key: string, load: Load<Held>, answer: Held | undefined): boolean {
    let candidate = answer
    for (const change of load.kept) {
      const following = this.#model.actionFor(candidate, change)
      if (following === 'load') return false
      if (following !== 'ignore') candidate = this.#model.reduce(candidate, change)
    }
    const present = this.#held.get(key)
    const needed = Math.max(load.needed, present ? this.#model.versionOf(present) : 0)
    candidate ??= this.#model.tombstone(key, needed)
    if (candidate && this.#model.versionOf(candidate) < needed) return false
    this.#loads.delete(key)
    if (candidate) this.set(key, candidate)
    this.#port.changed(key)
    load.done.resolve(candidate)
    return true
  }
}
