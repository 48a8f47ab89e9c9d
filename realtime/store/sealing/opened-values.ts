// Short values that were sealed or opened lately, without their seal. For a short text, setting up
// a cipher takes longer than the cipher itself. Most of what is opened was written a moment ago, or
// is read again and again. The memory for it is bounded.
import type { Binary } from 'mongodb'
import { tagOf, type Plain, type SealedPlace } from './envelope.ts'

/** Longer values cost more to keep than to open (UTF-16 units or bytes). */
const MAX_LENGTH = 4_096
/** What all values may have together (UTF-16 units or bytes, with `OVERHEAD` for each). */
const MAX_TOTAL = 16_000_000
const OVERHEAD = 300

/** A value opens from here only if it is the very one that was sealed for this place. */
interface Opened {
  tag: string
  plain: Plain
}

export class OpenedValues {
  /** What was used lately, and what was used before that. */
  #recent = new Map<string, Opened>()
  #older = new Map<string, Opened>()
  /** Of `#recent`. */
  #length = 0

  find(place: SealedPlace, sealed: Binary): Plain | undefined {
    const key = keyOf(place)
    const recent = this.#recent.get(key)
    const found = recent ?? this.#older.get(key)
    if (found?.tag !== tagOf(sealed)) return undefined
    if (!recent) this.#add(key, found)
    return found.plain
  }

  keep(place: SealedPlace, sealed: Binary, plain: Plain): void {
    if (plain.length <= MAX_LENGTH) this.#add(keyOf(place), { tag: tagOf(sealed), plain })
  }

  /** Forgets everything of a user. */
  forget(user_id: string): void {
    for (const kept of [this.#recent, this.#older])
      for (const key of kept.keys()) if (key.startsWith(user_id)) kept.delete(key)
  }

  #add(key: string, opened: Opened): void {
    this.#length += opened.plain.length + OVERHEAD
    if (this.#length > MAX_TOTAL / 2) {
      this.#older = this.#recent
      this.#recent = new Map()
      this.#length = opened.plain.length + OVERHEAD
    }
    this.#recent.set(key, opened)
  }
}

/** Begins with the id, and so with the user's. */
const keyOf = ({ collection, id, field }: SealedPlace): string => `${id} ${collection} ${field}`
