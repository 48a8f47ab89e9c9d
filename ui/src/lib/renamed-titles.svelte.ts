// The titles that chats got by renames in their past. The activity names no content, so each is
// read from the chat as it was after the rename. What can't be read any more stays unknown.
import type { Call } from '@lockstep/client'
import { SvelteMap } from 'svelte/reactivity'
import type { ActivityEntry } from './activity-texts.ts'

export class RenamedTitles {
  readonly #titles = new SvelteMap<string, string>()
  readonly #requested = new Set<string>()
  readonly #call: Call

  constructor(call: Call) {
    this.#call = call
  }

  /** Reads the titles that these entries gave and that aren't known yet. Never rejects. */
  async load(entries: readonly ActivityEntry[]): Promise<void> {
    for (const entry of entries) {
      const { topic, op, entity_id, seq, details } = entry
      const isRename =
        topic === 'conversations' && op === 'updated' && details.fields.includes('title')
      const key = `${entity_id} ${seq}`
      if (!isRename || this.#requested.has(key)) continue
      this.#requested.add(key)
      try {
        const { title } = await this.#call('getConversationAt', {
          params: { id: entity_id },
          query: { seq, limit: 1 },
        })
        this.#titles.set(key, title)
      } catch {
        // purged or expired meanwhile
      }
    }
  }

  /** Reactive. */
  of({ entity_id, seq }: ActivityEntry): string | undefined {
    return this.#titles.get(`${entity_id} ${seq}`)
  }
}
