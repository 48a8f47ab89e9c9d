// Finds the matches of a search query in a text, as the server's search does.
import { searchPattern } from '@lockstep/protocol/search-text'

export interface TextMatch {
  /** Offsets in UTF-16 code units; `end` is after the match. */
  start: number
  end: number
}

/** A search asks for the same few words again and again. */
const patterns = new Map<string, RegExp>()
const maxPatterns = 50
function patternOf(query: string): RegExp {
  const known = patterns.get(query)
  if (known) return known
  if (patterns.size >= maxPatterns) patterns.clear()
  const pattern = new RegExp(searchPattern(query), 'gu')
  patterns.set(query, pattern)
  return pattern
}

const wordsOf = (query: string): string[] => query.split(/\s+/u).filter((word) => word !== '')

/**
 * The matches in order, without overlaps: of the whole query, or else of its words. An empty query
 * has none.
 */
export function textMatches(text: string, query: string): TextMatch[] {
  const needle = query.trim()
  if (needle === '') return []
  const whole = occurrences(text, needle)
  if (whole.length > 0) return whole
  const ofWords = wordsOf(needle).flatMap((word) => occurrences(text, word))
  const matches: TextMatch[] = []
  for (const match of ofWords.sort((a, b) => a.start - b.start || b.end - a.end))
    if (match.start >= (matches.at(-1)?.end ?? 0)) matches.push(match)
  return matches
}

/** Whether the text has every word of the query, wherever. An empty query matches. */
export const matchesEveryWord = (text: string, query: string): boolean =>
  wordsOf(query).every((word) => occurrences(text, word).length > 0)

/** How many characters before a match are shown, to tell what the match is part of. */
const leadLength = 24

/** For one line: leaves out the beginning of the text, so that the first match is in sight. */
export function fromFirstMatch(text: string, query: string): string {
  const start = textMatches(text, query)[0]?.start ?? 0
  if (start <= leadLength) return text
  const space = text.indexOf(' ', start - leadLength)
  return `…${text.slice(space >= 0 && space < start ? space + 1 : start)}`
}

function occurrences(text: string, needle: string): TextMatch[] {
  return Array.from(text.matchAll(patternOf(needle)), ({ index, 0: match }) => ({
    start: index,
    end: index + match.length,
  }))
}
