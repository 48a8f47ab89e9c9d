// The stores of svelte-persisted-store, kept in the account. That package writes to `localStorage`
// and to nothing else, so its `persisted` is replaced by one that is called in the same way.
import { writable } from 'svelte/store'
import type { PersistedStorage } from './persist.ts'

/** A store as Svelte's components take it. Svelte's own type would need those of a page. */
export interface PersistedStore<Value> {
  subscribe(run: (value: Value) => void): () => void
  set(value: Value): void
  update(change: (value: Value) => Value): void
  /** Sets the initial value. */
  reset(): void
}

export interface PersistedOptions<Value, Kept> {
  /** Makes the store's value from the one that is kept. */
  beforeRead?(kept: Kept): Value
  /** Makes the value that is kept, which has to be JSON. */
  beforeWrite?(value: Value): Kept
}

/**
 * Returns what takes the place of `persisted`. A store also follows what other devices write. There
 * is one store for each key; the first call says how it is read and written.
 */
export function persistedIn(storage: PersistedStorage) {
  const stores = new Map<string, unknown>()

  return function persisted<Value, Kept = Value>(
    key: string,
    initial: Value,
    options: PersistedOptions<Value, Kept> = {},
  ): PersistedStore<Value> {
    // Assertion: as in svelte-persisted-store, a key has values of one type.
    const known = stores.get(key) as PersistedStore<Value> | undefined
    if (known) return known
    // Assertion: without these options, what is kept is the value.
    const { beforeRead = (kept) => kept as unknown as Value, beforeWrite = (value) => value } =
      options
    const read = () => {
      const text = storage.getItem(key)
      // Assertion: the app's own value, as its `Shape` makes it.
      return text === null ? initial : beforeRead(JSON.parse(text) as Kept)
    }
    const store = writable(read())
    const set = (value: Value) => {
      store.set(value)
      storage.setItem(key, JSON.stringify(beforeWrite(value)))
    }
    storage.subscribe(key, () => store.set(read()))
    const kept: PersistedStore<Value> = {
      subscribe: store.subscribe,
      set,
      update: (change) =>
        store.update((present) => {
          const value = change(present)
          storage.setItem(key, JSON.stringify(beforeWrite(value)))
          return value
        }),
      reset: () => set(initial),
    }
    stores.set(key, kept)
    return kept
  }
}
