// Finds the matches of a search query in a text, as the server's search does.
import { searchPattern } from '@lockstep/protocol/search-text'

export interface TextMatch {
  /** Offsets in UTF-16 code units; `end` is after the match. */
  start: number
  end: number
}

let last = { query: '', pattern: /(?!)/gu }
function patternOf(query: string): RegExp {
  if (last.query !== query) last = { query, pattern: new RegExp(searchPattern(query), 'gu') }
  return last.pattern
}

/** The matches in order, without overlaps. An empty query has none. */
export function textMatches(text: string, query: string): TextMatch[] {
  const needle = query.trim()
  if (needle === '') return []
  return Array.from(text.matchAll(patternOf(needle)), ({ index, 0: match }) => ({
    start: index,
    end: index + match.length,
  }))
}

/** Whether the text contains the query. An empty query is in every text. */
export const matchesQuery = (text: string, query: string): boolean =>
  query.trim() === '' || textMatches(text, query).length > 0
