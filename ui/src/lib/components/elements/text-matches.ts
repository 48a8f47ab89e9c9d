// Finds the matches of a search query in a text, without regard to case.

export interface TextMatch {
  /** Offsets in UTF-16 code units; `end` is after the match. */
  start: number
  end: number
}

const wordsOf = (query: string): string[] => query.split(/\s+/u).filter((word) => word !== '')

/** Whether the text has every word of the query, wherever. An empty query matches. */
export function matchesEveryWord(text: string, query: string): boolean {
  const haystack = text.toLocaleLowerCase()
  return wordsOf(query.toLocaleLowerCase()).every((word) => haystack.includes(word))
}

/**
 * The matches in order, without overlaps: of the whole query, or else of its words. An empty query
 * has none.
 */
export function textMatches(text: string, query: string): TextMatch[] {
  const haystack = text.toLocaleLowerCase()
  // Lower-casing changes the length of a few texts. Offsets would then be wrong, so there are no
  // matches.
  if (haystack.length !== text.length) return []
  const needle = query.trim().toLocaleLowerCase()
  const whole = occurrences(haystack, needle)
  if (whole.length > 0) return whole
  const ofWords = wordsOf(needle).flatMap((word) => occurrences(haystack, word))
  const matches: TextMatch[] = []
  for (const match of ofWords.sort((a, b) => a.start - b.start || b.end - a.end))
    if (match.start >= (matches.at(-1)?.end ?? 0)) matches.push(match)
  return matches
}

function occurrences(haystack: string, needle: string): TextMatch[] {
  if (needle === '') return []
  const matches: TextMatch[] = []
  let start = haystack.indexOf(needle)
  while (start >= 0) {
    const end = start + needle.length
    matches.push({ start, end })
    start = haystack.indexOf(needle, end)
  }
  return matches
}
