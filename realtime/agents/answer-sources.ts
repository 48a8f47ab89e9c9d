// The web pages that an answer relies on. Servers that search the web name them in `annotations` of
// the delta or message, or beside the choices in `citations` and `search_results`:
//
//   { type: 'url_citation', url_citation: { url, title } } | { url, title } | 'https://…'
import { isObject } from '@lockstep/protocol/free-form'
import type { Part } from '@lockstep/protocol/parts'
import { firstCharacters } from '@lockstep/protocol/text'

const MAX_SOURCES = 100
const MAX_URL = 2_000
const MAX_TITLE = 300

export class AnswerSources {
  /** Titles by address; '' without one. */
  readonly #titles = new Map<string, string>()

  /** @param choice the chunk's choice, with a delta or a message */
  note(chunk: Record<string, unknown>, choice: Record<string, unknown> | undefined): void {
    const said = [choice?.delta, choice?.message].filter(isObject)
    const lists = [
      chunk.search_results,
      chunk.citations,
      ...said.map(({ annotations }) => annotations),
    ]
    for (const list of lists) if (Array.isArray(list)) for (const named of list) this.#add(named)
  }

  /** Each source once, in the order in which they were named. */
  get parts(): Part[] {
    return [...this.#titles].map(([url, title], index) => ({
      ...{ id: `source-${index + 1}`, type: 'source', url },
      ...(title !== '' && { title }),
    }))
  }

  #add(named: unknown): void {
    const outer = isObject(named) ? named : { url: named }
    const { url, title } = isObject(outer.url_citation) ? outer.url_citation : outer
    if (typeof url !== 'string' || !isWebAddress(url)) return
    const known = this.#titles.get(url)
    if (known === undefined && this.#titles.size === MAX_SOURCES) return
    const text = typeof title === 'string' ? firstCharacters(title.trim(), MAX_TITLE) : ''
    if (!known) this.#titles.set(url, text.toWellFormed())
  }
}

const isWebAddress = (url: string): boolean =>
  url.length <= MAX_URL && /^https?:\/\//i.test(url) && url.isWellFormed() && URL.canParse(url)
