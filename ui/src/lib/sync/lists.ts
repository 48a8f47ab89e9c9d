// The lists of conversations (active, archived, trash): how far each has been read. What is in them follows from the entities.
import type { Cursor } from '../../../../protocol/change.ts'
import type { Summary } from '../../../../protocol/conversations.ts'
import { Fault } from '../../../../protocol/errors.ts'
import { listConversations } from '../services/conversations.ts'
import type { Call } from '../services/http.ts'
import type { ListState } from './views.ts'

const PAGE = 50

export interface ListProgress {
  /** Where the next page starts; null: there is none. */
  cursor: string | null | undefined
  loading: boolean
  loaded: boolean
}

const states: readonly ListState[] = ['active', 'archived', 'trash']

export class Lists {
  readonly #call: Call
  readonly #changed: () => void
  #progress = unread()

  constructor(call: Call, changed: () => void) {
    this.#call = call
    this.#changed = changed
  }

  of(state: ListState): Readonly<ListProgress> {
    return this.#progress[state]
  }

  /** The first pages anew. The cursor is of the first answer: what changed since is in the log behind it. */
  async load(put: (summary: Summary) => void): Promise<Cursor> {
    const shown = states.filter((state) => state === 'active' || this.#progress[state].loaded)
    let cursor: Cursor | undefined
    const progress = unread()
    for (const state of shown) {
      const page = await listConversations(this.#call, { state, limit: PAGE })
      cursor ??= { epoch: page.epoch, seq: page.seq }
      page.items.forEach(put)
      progress[state] = { cursor: page.next_cursor, loading: false, loaded: true }
    }
    this.#progress = progress
    this.#changed()
    return cursor!
  }

  /** The next page; undefined when there is none, or it is under way, or became worthless by a load of everything. */
  async next(state: ListState): Promise<{ items: Summary[]; epoch: string } | undefined> {
    const progress = this.#progress[state]
    if (progress.loading || progress.cursor === null) return undefined
    progress.loading = true
    this.#changed()
    try {
      const query = { state, limit: PAGE, cursor: progress.cursor }
      const { items, next_cursor, epoch } = await listConversations(this.#call, query)
      if (this.#progress[state] !== progress) return undefined
      progress.cursor = next_cursor
      progress.loaded = true
      return { items, epoch }
    } catch (error) {
      // A cursor of a log that was restarted, or of a server that has changed: begin again.
      if (error instanceof Fault && error.code === 'invalid') progress.cursor = undefined
      throw error
    } finally {
      progress.loading = false
      this.#changed()
    }
  }

  forget(): void {
    this.#progress = unread()
  }
}

function unread(): Record<ListState, ListProgress> {
  const progress = () => ({ cursor: undefined, loading: false, loaded: false })
  return { active: progress(), archived: progress(), trash: progress() }
}
