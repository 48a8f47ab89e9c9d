// Titles that the activity needs but doesn't name: those that chats got by renames in their past,
// and those of chats that this page doesn't hold, such as archived ones. Each is read from the chat
// as it was at that time. What can't be read any more stays unknown.
import type { Call } from '@lockstep/client'
import { SvelteMap } from 'svelte/reactivity'
import type { ActivityEntry } from './activity-texts.ts'
import { isLocked, revealed } from './components/conversations/revealed.ts'
import { shownTitle } from './components/conversations/shown-title.ts'

const isRename = ({ op, details }: ActivityEntry): boolean =>
  op === 'updated' && details.fields.includes('title')

export class PastTitles {
  readonly #titles = new SvelteMap<string, string>()
  readonly #requested = new Set<string>()
  readonly #call: Call
  readonly #isHeld: (id: string) => boolean

  /** @param isHeld whether the page knows the title of this chat anyway */
  constructor(call: Call, isHeld: (id: string) => boolean) {
    this.#call = call
    this.#isHeld = isHeld
  }

  /** Reads the titles that these entries need and that aren't known yet. Never rejects. */
  async load(entries: readonly ActivityEntry[]): Promise<void> {
    for (const entry of entries) {
      if (entry.topic !== 'conversations') continue
      if (isRename(entry)) await this.#read(`${entry.entity_id} ${entry.seq}`, entry)
      if (!this.#isHeld(entry.entity_id)) await this.#read(entry.entity_id, entry)
    }
  }

  async #read(key: string, { entity_id, seq }: ActivityEntry): Promise<void> {
    if (this.#requested.has(key)) return
    this.#requested.add(key)
    try {
      const conversation = await revealed(
        await this.#call('getConversationAt', {
          params: { id: entity_id },
          query: { seq, limit: 1 },
        }),
      )
      const locked = isLocked(conversation) || undefined
      this.#titles.set(key, shownTitle({ ...conversation, locked }))
    } catch {
      // purged or expired meanwhile
    }
  }

  /** The title that the entry gave to its chat; reactive. */
  givenBy({ entity_id, seq }: ActivityEntry): string | undefined {
    return this.#titles.get(`${entity_id} ${seq}`)
  }

  /** The newest title that the read entries tell of a chat that the page doesn't hold; reactive. */
  of(conversation_id: string): string | undefined {
    return this.#titles.get(conversation_id)
  }
}
