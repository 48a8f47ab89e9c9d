// Finds the matches of a search query in a text, without regard to case.

export interface TextMatch {
  /** Offsets in UTF-16 code units; `end` is after the match. */
  start: number
  end: number
}

/** The matches in order, without overlaps. An empty query has none. */
export function textMatches(text: string, query: string): TextMatch[] {
  const needle = query.trim().toLocaleLowerCase()
  const haystack = text.toLocaleLowerCase()
  // Lower-casing changes the length of a few texts. Offsets would then be wrong, so there are no
  // matches.
  if (needle === '' || haystack.length !== text.length) return []
  const matches: TextMatch[] = []
  let start = haystack.indexOf(needle)
  while (start >= 0) {
    const end = start + needle.length
    matches.push({ start, end })
    start = haystack.indexOf(needle, end)
  }
  return matches
}
