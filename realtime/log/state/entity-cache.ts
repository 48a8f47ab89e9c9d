// States of entities at the head of their topic, kept from one command for the next, so that a
// command on an entity in use reads nothing. Its size is bounded; what was used longest ago goes
// first.
//
// The invariant: a state belongs to the `TopicHead` that it was kept with, and is the state at that
// head's present `seq`. Whatever replaces the head makes its states invisible. A head that is
// behind the log can't harm: the insert at `seq + 1` fails (LOG-1).
import type { TopicHead } from '../head-cache.ts'

interface Kept<State> {
  head: TopicHead
  state: State
  bytes: number
}

export class EntityCache<State> {
  readonly #maxBytes: number
  /** By topic and entity, in the order of last use. */
  readonly #kept = new Map<string, Kept<State>>()
  #bytes = 0

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  get(head: TopicHead, entity_id: string): State | undefined {
    const key = keyOf(head, entity_id)
    const kept = this.#kept.get(key)
    if (!kept) return undefined
    this.#kept.delete(key)
    if (kept.head !== head) {
      this.#bytes -= kept.bytes
      return undefined
    }
    this.#kept.set(key, kept)
    return kept.state
  }

  /**
   * Keeps a state, unless it is so large that it would take the place of too many others.
   * @param bytes about how much memory the state takes
   */
  set(head: TopicHead, entity_id: string, state: State, bytes: number): void {
    this.delete(head, entity_id)
    if (bytes > this.#maxBytes / 8) return
    this.#kept.set(keyOf(head, entity_id), { head, state, bytes })
    this.#bytes += bytes
    for (const [oldest, kept] of this.#kept) {
      if (this.#bytes <= this.#maxBytes) break
      this.#kept.delete(oldest)
      this.#bytes -= kept.bytes
    }
  }

  delete(head: TopicHead, entity_id: string): void {
    const key = keyOf(head, entity_id)
    const kept = this.#kept.get(key)
    if (!kept) return
    this.#kept.delete(key)
    this.#bytes -= kept.bytes
  }
}

const keyOf = ({ key }: TopicHead, entity_id: string): string => `${key}:${entity_id}`
