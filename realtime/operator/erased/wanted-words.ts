// The words that `lockstep erased` looks for. They are never printed, because they are what
// somebody wanted to be forgotten: a word is named by its line.

/** Bytes. A shorter word is in any large file by chance. */
const MIN_BYTES = 4

const ID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

export interface WantedWord {
  /** From 1. */
  line: number
  bytes: Buffer
  /**
   * Whether the word may be the id of a deleted account. The log keeps the ids of such accounts.
   */
  isId: boolean
}

/** How often each word was found, by its line. */
export type Findings = Map<number, number>

/** Throws an error whose message is for people. */
export function readWords(text: string): WantedWord[] {
  const lines = text.split(/\r?\n/).map((word, at) => ({ word: word.trim(), line: at + 1 }))
  const words = lines
    .filter(({ word }) => word !== '')
    .map(({ word, line }) => ({ line, bytes: Buffer.from(word), isId: ID.test(word) }))
  const short = words.find(({ bytes }) => bytes.length < MIN_BYTES)
  if (short)
    throw new Error(`The word in line ${short.line} is too short: ${MIN_BYTES} bytes at least`)
  if (words.length === 0)
    throw new Error('There are no words. Give them on standard input, one a line')
  return words
}

/** Adds to the findings how often each word is in `bytes`, beginning before `end`. */
export function countWords(
  findings: Findings,
  words: readonly WantedWord[],
  bytes: Buffer,
  end = bytes.length,
): void {
  for (const { line, bytes: word } of words)
    for (let at = bytes.indexOf(word); at >= 0 && at < end; at = bytes.indexOf(word, at + 1))
      findings.set(line, (findings.get(line) ?? 0) + 1)
}
