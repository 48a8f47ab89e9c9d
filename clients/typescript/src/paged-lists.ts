// The lists of a topic (all runs, the failed runs, the conversations in the trash): how far each
// has been read from the server. Which entities a list shows follows from the entities themselves.
import type { Cursor } from '@lockstep/protocol/cursor'
import { Fault } from '@lockstep/protocol/errors'

const PAGE_LIMIT = 50

/** A page of the server. */
export interface ListedPage<Item> extends Cursor {
  items: Item[]
  next_cursor: string | null
}

export interface ListProgress<Item> {
  /** Where the next page starts. Undefined: at the beginning; null: there is no next page. */
  cursor: string | null | undefined
  loading: boolean
  loaded: boolean
  /** The last item of the last page. */
  last?: Item
}

type ReadPage<Query, Item> = (
  query: Query & { limit: number; cursor?: string },
) => Promise<ListedPage<Item>>

/** `Query` identifies a list of the topic. Its fields always have the same order. */
export class PagedLists<Query extends object, Item> {
  readonly #read: ReadPage<Query, Item>
  readonly #first: Query
  readonly #changed: () => void
  #lists = new Map<string, { query: Query; progress: ListProgress<Item> }>()

  /** @param first the list that is always loaded */
  constructor(read: ReadPage<Query, Item>, first: Query, changed: () => void) {
    this.#read = read
    this.#first = first
    this.#changed = changed
  }

  of(query: Query): Readonly<ListProgress<Item>> {
    return this.#progressOf(query)
  }

  /**
   * Reads the first page of each list that was loaded, and of the first list. Resolves with the
   * cursor of the first response: later changes come with the log.
   */
  async load(put: (item: Item) => void): Promise<Cursor> {
    const loaded = [...this.#lists.values()].filter(({ progress }) => progress.loaded)
    const queries = [this.#first, ...loaded.map(({ query }) => query)]
    const distinct = new Map(queries.map((query) => [keyOf(query), query]))
    const lists = new Map<string, { query: Query; progress: ListProgress<Item> }>()
    let cursor: Cursor | undefined
    for (const [key, query] of distinct) {
      const page = await this.#read({ ...query, limit: PAGE_LIMIT })
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
    this.#lists = lists
    this.#changed()
    return cursor!
  }

  /**
   * Reads the next page. Resolves with undefined after the last page, while another page is being
   * read, and if `load` has started the list anew meanwhile.
   */
  async next(query: Query): Promise<{ items: Item[]; epoch: string } | undefined> {
    const progress = this.#progressOf(query)
    if (progress.loading || progress.cursor === null) return undefined
    progress.loading = true
    this.#changed()
    try {
      const { cursor } = progress
      const position = { limit: PAGE_LIMIT, ...(cursor !== undefined && { cursor }) }
      const page = await this.#read({ ...query, ...position })
      if (this.#progressOf(query) !== progress) return undefined
      progress.cursor = page.next_cursor
      progress.last = page.items.at(-1) ?? progress.last
      progress.loaded = true
      return page
    } catch (error) {
      // The logs were restarted or the server has changed, and doesn't accept the cursor any more.
      if (error instanceof Fault && error.code === 'invalid') progress.cursor = undefined
      throw error
    } finally {
      progress.loading = false
      this.#changed()
    }
  }

  clear(): void {
    this.#lists.clear()
  }

  #progressOf(query: Query): ListProgress<Item> {
    const key = keyOf(query)
    const known = this.#lists.get(key)
    if (known) return known.progress
    const progress: ListProgress<Item> = { cursor: undefined, loading: false, loaded: false }
    this.#lists.set(key, { query, progress })
    return progress
  }
}

const keyOf = (query: object): string => JSON.stringify(query)
