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
  place: SealedPlace
  plain: Plain
}

export class OpenedValues {
  /** What was used lately, and what was used before that, by tag, which is short. */
  #recent = new Map<string, Opened>()
  #older = new Map<string, Opened>()
  /** Of `#recent`. */
  #length = 0

  find(place: SealedPlace, sealed: Binary): Plain | undefined {
    const tag = tagOf(sealed)
    const recent = this.#recent.get(tag)
    const found = recent ?? this.#older.get(tag)
    if (!found || !isSame(found.place, place)) return undefined
    if (!recent) this.#add(tag, found)
    return found.plain
  }

  keep(place: SealedPlace, sealed: Binary, plain: Plain): void {
    if (plain.length <= MAX_LENGTH) this.#add(tagOf(sealed), { place, plain })
  }

  /** Forgets everything of a user. */
  forget(user_id: string): void {
    for (const kept of [this.#recent, this.#older])
      for (const [tag, { place }] of kept) if (place.id.startsWith(user_id)) kept.delete(tag)
  }

  #add(tag: string, opened: Opened): void {
    this.#length += opened.plain.length + OVERHEAD
    if (this.#length > MAX_TOTAL / 2) {
      this.#older = this.#recent
      this.#recent = new Map()
      this.#length = opened.plain.length + OVERHEAD
    }
    this.#recent.set(tag, opened)
  }
}

const isSame = (one: SealedPlace, other: SealedPlace): boolean =>
  one.id === other.id && one.field === other.field && one.collection === other.collection
