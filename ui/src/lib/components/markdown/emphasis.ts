// Matches the delimiters of emphasis, as CommonMark defines it. Each delimiter that was searched
// past in vain is remembered or removed, so the cost grows with the number of delimiters only.

export type EmphasisTag = 'em' | 'strong' | 'del'

/** A run of `*`, `_` or `~`. Its characters that neither open nor close emphasis stay text. */
export interface DelimiterRun {
  type: 'delimiter'
  char: string
  /** How many of its characters aren't used yet. */
  count: number
  /** The elements that end here, the innermost first. */
  closes: EmphasisTag[]
  /** The elements that begin here, the innermost first. */
  opens: EmphasisTag[]
}

interface Entry {
  run: DelimiterRun
  length: number
  canOpen: boolean
  canClose: boolean
  position: number
  previous: Entry | undefined
  next: Entry | undefined
}

const whitespace = /^\s?$/u
const punctuation = /^[\p{P}\p{S}]$/u

/** The character before `at`, surrogate pairs included; '' at the start of the text. */
const characterBefore = (text: string, at: number): string => {
  const unit = text.charCodeAt(at - 1)
  return unit >= 0xdc00 && unit < 0xe000
    ? text.slice(at - 2, at)
    : text.slice(Math.max(0, at - 1), at)
}
const characterAt = (text: string, at: number): string =>
  at < text.length ? String.fromCodePoint(text.codePointAt(at)!) : ''

function flanking(text: string, start: number, end: number) {
  const before = characterBefore(text, start)
  const after = characterAt(text, end)
  const isSpaceBefore = whitespace.test(before)
  const isSpaceAfter = whitespace.test(after)
  const isPunctuationBefore = punctuation.test(before)
  const isPunctuationAfter = punctuation.test(after)
  const left = !isSpaceAfter && (!isPunctuationAfter || isSpaceBefore || isPunctuationBefore)
  const right = !isSpaceBefore && (!isPunctuationBefore || isSpaceAfter || isPunctuationAfter)
  if (text[start] !== '_') return { canOpen: left, canClose: right }
  return {
    canOpen: left && (!right || isPunctuationBefore),
    canClose: right && (!left || isPunctuationAfter),
  }
}

const canPair = (opener: Entry, closer: Entry): boolean => {
  if (opener.run.char !== closer.run.char || !opener.canOpen) return false
  if (closer.run.char === '~') return opener.length === closer.length
  const isAmbiguous = closer.canOpen || opener.canClose
  return !isAmbiguous || closer.length % 3 === 0 || (opener.length + closer.length) % 3 !== 0
}

/** The delimiters that aren't matched yet. Each text has one such stack. */
export class DelimiterStack {
  #last: Entry | undefined
  #nextPosition = 0

  /** The newest delimiter's position; later ones are above it. */
  get top(): number {
    return this.#nextPosition
  }

  /** Adds the run of equal characters from `start` to `end`. */
  add(text: string, start: number, end: number): DelimiterRun {
    const length = end - start
    const run: DelimiterRun = {
      type: 'delimiter',
      char: text[start]!,
      count: length,
      closes: [],
      opens: [],
    }
    const { canOpen, canClose } = flanking(text, start, end)
    if ((!canOpen && !canClose) || (run.char === '~' && length > 2)) return run
    const position = this.#nextPosition++
    const entry = {
      run,
      length,
      canOpen,
      canClose,
      position,
      previous: this.#last,
      next: undefined,
    }
    if (this.#last) this.#last.next = entry
    this.#last = entry
    return run
  }

  /** Pairs the delimiters at and above the position `bottom`, and forgets them. */
  close(bottom: number): void {
    let first = this.#last
    while (first?.previous && first.previous.position >= bottom) first = first.previous
    if (!first || first.position < bottom) return
    const below = first.previous
    /** By kind of closer, the position at and below which there is no opener for it. */
    const searched = new Map<string, number>()
    let closer: Entry | undefined = first
    while (closer) {
      if (!closer.canClose) {
        closer = closer.next
        continue
      }
      const kind = `${closer.run.char}${closer.canOpen}${
        closer.run.char === '~' ? closer.length : closer.length % 3
      }`
      const limit = searched.get(kind) ?? bottom - 1
      let opener: Entry | undefined = closer.previous
      while (opener && opener.position > limit && !canPair(opener, closer)) opener = opener.previous
      if (opener && opener.position > limit) {
        closer = this.#pair(opener, closer)
        continue
      }
      searched.set(kind, closer.previous?.position ?? -1)
      const next: Entry | undefined = closer.next
      if (!closer.canOpen) this.#remove(closer)
      closer = next
    }
    this.#last = below
    if (below) below.next = undefined
  }

  /** Returns the next closer. */
  #pair(opener: Entry, closer: Entry): Entry | undefined {
    const isDouble = opener.run.count >= 2 && closer.run.count >= 2
    const isStruck = closer.run.char === '~'
    const used = isStruck ? closer.run.count : isDouble ? 2 : 1
    const tag = isStruck ? 'del' : isDouble ? 'strong' : 'em'
    opener.run.opens.push(tag)
    closer.run.closes.push(tag)
    opener.run.count -= used
    closer.run.count -= used
    opener.next = closer
    closer.previous = opener
    if (opener.run.count === 0) this.#remove(opener)
    if (closer.run.count > 0) return closer
    const { next } = closer
    this.#remove(closer)
    return next
  }

  #remove(entry: Entry): void {
    if (entry.previous) entry.previous.next = entry.next
    if (entry.next) entry.next.previous = entry.previous
    else this.#last = entry.previous
  }
}
