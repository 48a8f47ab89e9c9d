// The confirmed state of a topic: its entities as the server's log made them. An entity whose state
// doesn't follow from the log alone is loaded. Changes that arrive during the load are kept and
// applied after it, so that an older response never covers a newer change.
import type { WireChange } from '@lockstep/protocol/change'
import { Fault } from '@lockstep/protocol/errors'
import { createDeferred, type Deferred } from './deferred.ts'
import type { Lifetime } from './lifetime.ts'
import { isRetryable } from './rest/call.ts'
import type { TopicModel } from './topic-model.ts'

const MAX_LOADS_AT_ONCE = 4

interface Load<State> {
  changes: WireChange[]
  /** The version that made the load necessary. An older response won't do. */
  minVersion: number
  done: Deferred<State | undefined>
}

export interface EntitiesDeps {
  changed(key: string): void
  /** Reports the epoch of a response. True if it isn't the epoch of the log that is followed. */
  isOtherLog(epoch: string | undefined): boolean
}

export class Entities<State extends object> {
  readonly #model: TopicModel<State>
  readonly #deps: EntitiesDeps
  readonly #lifetime: Lifetime
  readonly #waiting: string[] = []
  readonly #watchers = new Map<string, Set<(change?: WireChange) => void>>()
  #states = new Map<string, State>()
  #loads = new Map<string, Load<State>>()
  #running = 0
  #generation = 0

  constructor(model: TopicModel<State>, deps: EntitiesDeps, lifetime: Lifetime) {
    this.#model = model
    this.#deps = deps
    this.#lifetime = lifetime
  }

  /** Counts the calls of `replaceAll`. A response to a request from before one is worthless. */
  get generation(): number {
    return this.#generation
  }

  /** How many entities are being loaded. */
  get loading(): number {
    return this.#loads.size
  }

  isLoading(key: string): boolean {
    return this.#loads.has(key)
  }

  get(key: string): State | undefined {
    return this.#states.get(key)
  }

  keys(): IterableIterator<string> {
    return this.#states.keys()
  }

  /** The whole topic was loaded again. */
  replaceAll(states: Map<string, State>): void {
    const before = this.#states
    this.#generation++
    this.#states = new Map()
    const loads = this.#loads
    this.#loads = new Map()
    this.#waiting.length = 0
    for (const [key, state] of states) this.set(key, state)
    for (const key of before.keys()) if (!states.has(key)) this.#deps.changed(key)
    for (const key of this.#watchers.keys()) this.#notify(key)
    for (const [key, { done }] of loads) done.resolve(this.load(key))
  }

  /** @param change the change of the log that led to `state`, if one did */
  set(key: string, state: State, change?: WireChange): void {
    this.#states.set(key, this.#model.trim?.(key, state) ?? state)
    this.#deps.changed(key)
    this.#notify(key, change)
  }

  /**
   * Takes a state from a page of a list, unless the entity is known: the log keeps that one
   * current.
   */
  offer(key: string, state: State): void {
    if (!this.#states.has(key) && !this.#loads.has(key)) this.set(key, state)
  }

  /** Takes the next change of the log. */
  follow(change: WireChange): void {
    const key = this.#model.keyOf(change)
    const load = this.#loads.get(key)
    if (load) {
      load.changes.push(change)
      load.minVersion = Math.max(load.minVersion, change.version)
    }
    const held = this.#states.get(key)
    const action = this.#model.actionFor(held, change)
    if (action === 'load') return void (load ?? this.load(key, change.version))
    if (action === 'ignore') return
    const reduced = this.#model.reduce(held, change)
    if (action === 'end') this.#loads.delete(key)
    if (reduced) this.set(key, reduced, change)
    if (action === 'end') load?.done.resolve(reduced)
  }

  /**
   * Calls `watcher` with each change that was applied to the entity, and without one if its state
   * was replaced. Returns the function that ends this.
   */
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

  /**
   * Reads an entity, as often as it takes; calls during a load share it. Resolves with the state
   * that is held then, which is undefined if the server doesn't have the entity.
   */
  load(key: string, minVersion = 0): Promise<State | undefined> {
    const present = this.#loads.get(key)
    if (present) return present.done.promise
    const load: Load<State> = { changes: [], minVersion, done: createDeferred() }
    this.#loads.set(key, load)
    this.#deps.changed(key)
    this.#waiting.push(key)
    // After the changes that arrived together: one of them may be the entity's end.
    queueMicrotask(() => this.#startLoads())
    return load.done.promise
  }

  #startLoads(): void {
    while (this.#running < MAX_LOADS_AT_ONCE && this.#waiting.length > 0) {
      const key = this.#waiting.shift()!
      const load = this.#loads.get(key)
      if (!load) continue
      this.#running++
      void this.#run(key, load).finally(() => {
        this.#running--
        if (!this.#lifetime.ended) this.#startLoads()
      })
    }
  }

  async #run(key: string, load: Load<State>): Promise<void> {
    const isCurrent = () => !this.#lifetime.ended && this.#loads.get(key) === load
    for (let attempt = 0; isCurrent(); attempt++) {
      load.changes.length = 0
      const response = await this.#read(key)
      if (!isCurrent()) return
      if (response && response !== 'gone' && this.#deps.isOtherLog(response.epoch)) return
      const state = response === 'gone' ? undefined : response?.state
      if (response && this.#finish(key, load, state)) return
      await this.#lifetime.sleep(this.#lifetime.delay(attempt))
    }
  }

  /** Undefined means: try again later. */
  async #read(key: string) {
    try {
      return await this.#model.loadOne(key, this.#states.get(key))
    } catch (error) {
      if (!(error instanceof Fault)) throw error
      return isRetryable(error) ? undefined : ('gone' as const)
    }
  }

  /**
   * False if the response and the kept changes don't lead to the present: the entity is read again.
   */
  #finish(key: string, load: Load<State>, response: State | undefined): boolean {
    let state = response
    for (const change of load.changes) {
      const action = this.#model.actionFor(state, change)
      if (action === 'load') return false
      if (action !== 'ignore') state = this.#model.reduce(state, change)
    }
    const present = this.#states.get(key)
    const minVersion = Math.max(load.minVersion, present ? this.#model.versionOf(present) : 0)
    state ??= this.#model.tombstone(key, minVersion)
    if (state && this.#model.versionOf(state) < minVersion) return false
    this.#loads.delete(key)
    if (state) this.set(key, state)
    this.#deps.changed(key)
    load.done.resolve(state)
    return true
  }
}
