// One replaced piece of a text: what a change of a long text is sent as.

export interface Splice {
  /** UTF-16 units. */
  offset: number
  /** UTF-16 units. */
  removed: number
  text: string
}

/** The smallest splice that turns `from` into `to`. It never cuts a surrogate pair. */
export function spliceBetween(from: string, to: string): Splice {
  const shorter = Math.min(from.length, to.length)
  let offset = 0
  while (offset < shorter && from.charCodeAt(offset) === to.charCodeAt(offset)) offset++
  if (isWithinPair(from, offset) || isWithinPair(to, offset)) offset--
  let kept = 0
  while (
    kept < shorter - offset &&
    from.charCodeAt(from.length - kept - 1) === to.charCodeAt(to.length - kept - 1)
  )
    kept++
  if (isWithinPair(from, from.length - kept) || isWithinPair(to, to.length - kept)) kept--
  return {
    offset,
    removed: from.length - kept - offset,
    text: to.slice(offset, to.length - kept),
  }
}

/** Undefined if the splice doesn't fit the text, or would leave half a surrogate pair. */
export function applySplice(from: string, { offset, removed, text }: Splice): string | undefined {
  if (offset + removed > from.length) return undefined
  const to = from.slice(0, offset) + text + from.slice(offset + removed)
  return to.isWellFormed() ? to : undefined
}

const isHigh = (unit: number): boolean => unit >= 0xd800 && unit < 0xdc00
const isLow = (unit: number): boolean => unit >= 0xdc00 && unit < 0xe000
const isWithinPair = (text: string, at: number): boolean =>
  at > 0 && isHigh(text.charCodeAt(at - 1)) && isLow(text.charCodeAt(at))
