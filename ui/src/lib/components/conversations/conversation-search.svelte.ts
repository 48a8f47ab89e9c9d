// Searches conversations by title and text. Matches among the conversations that the page holds
// appear at once; the server's results follow.
import type { ListState, SummaryView } from '@lockstep/client'
import type { Summary } from '@lockstep/protocol/conversations'
import { commands, conversations } from '../../stores/conversations.svelte.ts'
import { fromFirstMatch, matchesEveryWord } from '../elements/text-matches.ts'
import { stripMarkdown } from './strip-markdown.ts'

/** The server is asked when nothing has been typed for this long. */
const requestDelayMs = 180
const pageSize = 40

export class ConversationSearch {
  query = $state('')
  #results = $state.raw<readonly Summary[] | undefined>()
  #failed = $state(false)
  #cursor = $state<string | null>(null)
  #excerpts = $state.raw<ReadonlyMap<string, string>>(new Map())
  #request: AbortController | undefined
  #timer: ReturnType<typeof setTimeout> | undefined
  #isLoadingMore = false
  readonly #state: () => ListState

  constructor(state: () => ListState) {
    this.#state = state
  }

  /** Starts or changes the search; an empty query ends it. */
  set(query: string): void {
    this.query = query
    this.#results = undefined
    this.#cursor = null
    this.#excerpts = new Map()
    this.#failed = false
    this.#isLoadingMore = false
    this.#request?.abort()
    clearTimeout(this.#timer)
    if (query.trim() === '') return
    this.#timer = setTimeout(() => void this.#searchServer(query.trim()), requestDelayMs)
  }

  /** Asks again if the server couldn't be reached. */
  retry(): void {
    if (this.#failed) this.set(this.query)
  }

  async #searchServer(q: string): Promise<void> {
    this.#request = new AbortController()
    const { signal } = this.#request
    try {
      const cursor = this.#cursor ?? undefined
      const options = { state: this.#state(), match: 'words', limit: pageSize, cursor } as const
      const page = await commands.search(q, { ...options, signal })
      if (signal.aborted) return
      const found = page.excerpts.map(
        ({ conversation_id, text }) => [conversation_id, text] as const,
      )
      this.#excerpts = new Map([...this.#excerpts, ...found])
      this.#results = [...(this.#results ?? []), ...page.items]
      this.#cursor = page.next_cursor
    } catch {
      if (!signal.aborted) this.#failed = true
    } finally {
      if (!signal.aborted) this.#isLoadingMore = false
    }
  }

  /** Whether the server has found more than it has sent. */
  get hasMore(): boolean {
    return this.#cursor !== null
  }

  loadMore(): void {
    if (this.#isLoadingMore || !this.hasMore) return
    this.#isLoadingMore = true
    void this.#searchServer(this.query.trim())
  }

  /** What was found in a message of the conversation, as one line that begins near the match. */
  excerptOf(conversation_id: string): string | undefined {
    const excerpt = this.#excerpts.get(conversation_id)
    if (excerpt === undefined) return undefined
    return fromFirstMatch(stripMarkdown(excerpt), this.query)
  }

  get isActive(): boolean {
    return this.query.trim() !== ''
  }

  get isSearching(): boolean {
    return this.isActive && this.#results === undefined && !this.#failed
  }

  /** True if the request failed, so only the conversations that the page holds were searched. */
  get isPartial(): boolean {
    return this.#failed
  }

  /** Whether there are encrypted chats, whose texts nobody searches. */
  get leavesOut(): boolean {
    return conversations.list(this.#state()).items.some(({ encryption }) => encryption)
  }

  /**
   * The results, the server's first. Those of conversations that the page holds are live. A
   * conversation that changed between two pages of results may be on both.
   */
  get items(): SummaryView[] {
    const held = conversations
      .list(this.#state())
      .items.filter(
        ({ title, preview, locked }) =>
          !locked && matchesEveryWord(`${title}\n${preview}`, this.query),
      )
    if (!this.#results) return held
    const results = this.#results.map(
      (summary) => conversations.get(summary.id) ?? { ...summary, delivery: 'sent' as const },
    )
    const byId = new Map<string, SummaryView>()
    for (const view of [...results, ...held]) if (!byId.has(view.id)) byId.set(view.id, view)
    return [...byId.values()]
  }
}
