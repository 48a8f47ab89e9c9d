// Search over titles and texts: what the page holds answers at once, the server's answer follows.
import type { Summary } from '@lockstep/protocol/conversations'
import type { ListState, SummaryView } from '@lockstep/client/views'
import { commands, conversations } from '../../stores/conversations.svelte.ts'

const pauseMs = 180
const pageSize = 40

export class Search {
  query = $state('')
  #found = $state.raw<readonly Summary[] | undefined>()
  #failed = $state(false)
  #request: AbortController | undefined
  #timer: ReturnType<typeof setTimeout> | undefined
  readonly #state: () => ListState

  constructor(state: () => ListState) {
    this.#state = state
  }

  /** Starts, changes or (with '') ends the search. */
  set(query: string): void {
    this.query = query
    this.#found = undefined
    this.#failed = false
    this.#request?.abort()
    clearTimeout(this.#timer)
    if (query.trim() !== '') this.#timer = setTimeout(() => void this.#ask(query.trim()), pauseMs)
  }

  async #ask(q: string): Promise<void> {
    this.#request = new AbortController()
    const { signal } = this.#request
    try {
      const { items } = await commands.search(q, { state: this.#state(), limit: pageSize, signal })
      if (!signal.aborted) this.#found = items
    } catch {
      if (!signal.aborted) this.#failed = true
    }
  }

  get isOn(): boolean {
    return this.query.trim() !== ''
  }

  get isAsking(): boolean {
    return this.isOn && this.#found === undefined && !this.#failed
  }

  /** The server could not be asked: only what the page holds was searched. */
  get isPartial(): boolean {
    return this.#failed
  }

  /** Live where the page holds the conversation. */
  get items(): SummaryView[] {
    const needle = this.query.trim().toLocaleLowerCase()
    const held = conversations
      .list(this.#state())
      .items.filter(({ title, preview }) =>
        `${title}\n${preview}`.toLocaleLowerCase().includes(needle),
      )
    if (!this.#found) return held
    const answered = this.#found.map(
      (summary) => conversations.get(summary.id) ?? { ...summary, delivery: 'sent' as const },
    )
    const ids = new Set(answered.map(({ id }) => id))
    return [...answered, ...held.filter(({ id }) => !ids.has(id))]
  }
}
