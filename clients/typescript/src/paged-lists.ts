// The lists of a topic (all runs, the failed ones; conversations in the trash): how far each has been read from the server. What is in
// them follows from the entities.
import type { Cursor } from '@lockstep/protocol/cursor'
import { Fault } from '@lockstep/protocol/errors'

const PAGE = 50

export interface ListedPage<Item> extends Cursor {
  items: Item[]
  next_cursor: string | null
}

export interface ListProgress<Item> {
  /** Where the next page starts; null: there is none. */
  cursor: string | null | undefined
  loading: boolean
  loaded: boolean
  /** The last one of the last page. */
  last?: Item
}

/** `Query`: what tells one list of the topic from another; always with its fields in the same order. */
export class PagedLists<Query extends object, Item> {
  readonly #read: (query: Query & { limit: number; cursor?: string }) => Promise<ListedPage<Item>>
  readonly #first: Query
  readonly #changed: () => void
  #progress = new Map<string, { query: Query; progress: ListProgress<Item> }>()

  /** `first`: the list that is always there. */
  constructor(
    read: (query: Query & { limit: number; cursor?: string }) => Promise<ListedPage<Item>>,
    first: Query,
    changed: () => void,
  ) {
    this.#read = read
    this.#first = first
    this.#changed = changed
  }

  of(query: Query): Readonly<ListProgress<Item>> {
    return this.#of(query)
  }

  /** The first pages anew. The cursor is of the first answer: what changed since is in the log behind it. */
  async load(put: (item: Item) => void): Promise<Cursor> {
    const loaded = [...this.#progress.values()]
      .filter(({ progress }) => progress.loaded)
      .map(({ query }) => query)
    const shown = new Map([this.#first, ...loaded].map((query) => [keyOf(query), query]))
    const lists = new Map<string, { query: Query; progress: ListProgress<Item> }>()
    let cursor: Cursor | undefined
    for (const [key, query] of shown) {
      const page = await this.#read({ ...query, limit: PAGE })
      cursor ??= { epoch: page.epoch, seq: page.seq }
      page.items.forEach(put)
      const progress = {
        cursor: page.next_cursor,
        loading: false,
        loaded: true,
        last: page.items.at(-1),
      }
      lists.set(key, { query, progress })
    }
    this.#progress = lists
    this.#changed()
    return cursor!
  }

  /** The next page; undefined when there is none, or it is under way, or became worthless by a load of everything. */
  async next(query: Query): Promise<{ items: Item[]; epoch: string } | undefined> {
    const progress = this.#of(query)
    if (progress.loading || progress.cursor === null) return undefined
    progress.loading = true
    this.#changed()
    try {
      const { cursor } = progress
      const page = await this.#read({
        ...query,
        limit: PAGE,
        ...(cursor !== undefined && { cursor }),
      })
      if (this.#of(query) !== progress) return undefined
      progress.cursor = page.next_cursor
      progress.last = page.items.at(-1) ?? progress.last
      progress.loaded = true
      return page
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
    this.#progress.clear()
  }

  #of(query: Query): ListProgress<Item> {
    const key = keyOf(query)
    const known = this.#progress.get(key)
    if (known) return known.progress
    const progress: ListProgress<Item> = { cursor: undefined, loading: false, loaded: false }
    this.#progress.set(key, { query, progress })
    return progress
  }
}

const keyOf = (query: object): string => JSON.stringify(query)
