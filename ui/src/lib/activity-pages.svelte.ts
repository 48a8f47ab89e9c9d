// A list of activity, newest first. Older pages are loaded when the user asks for them. Only the
// newest request counts: the answer to an earlier one isn't shown. So the newest page isn't loaded
// again while an older page is on its way, and repeated clicks load an older page once.
import type { Answer } from '@lockstep/protocol/rest'
import type { Topic } from '@lockstep/protocol/topics'
import type { ActivityEntry } from './activity-texts.ts'
import { engine } from './stores/engine.ts'

export interface ActivityFilter {
  topic?: Topic
  entity_id?: string
}

export interface ActivityPagesOptions {
  entriesPerPage: number
  /** Whether so many entries need no further page yet. Default: any number. */
  isEnough?: (entries: readonly ActivityEntry[]) => boolean
}

/** How many pages are loaded at once while there is too little to show. */
const MOST_PAGES = 5

export class ActivityPages {
  entries = $state.raw<readonly ActivityEntry[]>([])
  hasOlder = $state(false)
  status = $state<'loading' | 'loaded' | 'failed'>('loading')
  readonly #options: ActivityPagesOptions
  #filter: ActivityFilter = {}
  #request = 0
  /** Where the next older page begins. */
  #next: string | null = null
  /** Whether somebody has asked for older pages. */
  #showsOlder = false
  /** Where the page begins that is on its way, or that failed. */
  #asked: string | null | undefined

  constructor(options: ActivityPagesOptions) {
    this.#options = options
  }

  /** Begins an empty list with the newest page. */
  begin(filter: ActivityFilter): void {
    this.#filter = filter
    this.entries = []
    this.hasOlder = this.#showsOlder = false
    this.status = 'loading'
    void this.#load(null)
  }

  /** Loads the newest page anew. A user who has asked for older pages isn't disturbed. */
  refresh(): void {
    if (!this.#showsOlder) void this.#load(null)
  }

  older(): void {
    if (this.#next === null || this.#asked === this.#next) return
    this.#showsOlder = true
    void this.#load(this.#next)
  }

  /** Loads again what failed. */
  retry(): void {
    void this.#load(this.#asked ?? null)
  }

  async #load(from: string | null): Promise<void> {
    const { entriesPerPage, isEnough = () => true } = this.#options
    const request = ++this.#request
    let loaded = from === null ? [] : this.entries
    this.#asked = from
    try {
      for (let pages = 0; pages < MOST_PAGES; pages++) {
        const query = {
          ...this.#filter,
          limit: entriesPerPage,
          ...(this.#asked !== null && { cursor: this.#asked }),
        }
        const page: Answer<'listActivity'> = await engine.call('listActivity', { query })
        if (request !== this.#request) return
        loaded = [...loaded, ...page.items]
        this.entries = loaded
        this.#next = page.next_cursor
        this.hasOlder = this.#next !== null
        this.status = 'loaded'
        if (this.#next === null || isEnough(loaded)) break
        this.#asked = this.#next
      }
      this.#asked = undefined
    } catch {
      if (request === this.#request) this.status = 'failed'
    }
  }
}
