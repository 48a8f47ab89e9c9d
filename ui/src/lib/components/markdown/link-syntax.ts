// The parts of markdown links: labels, destinations, titles, and addresses written without markup.
// The invariant: the cost of an attempt that fails is bounded, or is paid at most once per
// character of the text. That keeps the whole parser linear.

/** A link's address and title as written, with escapes removed and character references kept. */
export interface LinkTarget {
  href: string
  title: string
}

export interface Scanned<T> {
  value: T
  /** The offset after what was scanned. */
  end: number
}

/** Longer labels name no definition. */
const maxLabelLength = 999
/** Destinations with more open parentheses are no destinations. */
const maxParentheses = 32

const escaped = /\\([!-/:-@[-`{-~])/g

/**
 * Removes the backslashes of escapes. An escaped ampersand becomes a reference, so that it isn't
 * mistaken for the beginning of one.
 */
export const unescapeText = (text: string): string =>
  text.includes('\\')
    ? text.replace(escaped, (_, char: string) => (char === '&' ? '&amp;' : char))
    : text

const matchAt = (pattern: RegExp, text: string, at: number): string | undefined => {
  pattern.lastIndex = at
  return pattern.exec(text)?.[0]
}

const bracketedDestination = /<(?:[^<>\n\\]|\\.)*>/y
const whitespace = /[ \t]*(?:\n[ \t]*)?/y
const title =
  /"[^"\\]*(?:\\[^][^"\\]*)*"|'[^'\\]*(?:\\[^][^'\\]*)*'|\([^()\\]*(?:\\[^][^()\\]*)*\)/y

/** The offset after spaces, tabs and at most one line ending. */
const skipWhitespace = (text: string, at: number): number =>
  at + (matchAt(whitespace, text, at)?.length ?? 0)

function bareDestinationEnd(text: string, start: number): number | undefined {
  let depth = 0
  let at = start
  for (; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code <= 0x20 || code === 0x7f) break
    if (code === 0x5c) at += text.charCodeAt(at + 1) > 0x20 ? 1 : 0
    else if (code === 0x28 && ++depth > maxParentheses) return undefined
    else if (code === 0x29 && --depth < 0) break
  }
  return depth > 0 ? undefined : Math.min(at, text.length)
}

function scanDestination(text: string, at: number): Scanned<string> | undefined {
  if (text[at] === '<') {
    const found = matchAt(bracketedDestination, text, at)
    if (found === undefined) return undefined
    return { value: unescapeText(found.slice(1, -1)), end: at + found.length }
  }
  const end = bareDestinationEnd(text, at)
  return end === undefined ? undefined : { value: unescapeText(text.slice(at, end)), end }
}

/** A title in quotes or parentheses that starts at `at`. */
function scanTitle(text: string, at: number): Scanned<string> | undefined {
  const found = matchAt(title, text, at)
  return found === undefined
    ? undefined
    : { value: unescapeText(found.slice(1, -1)), end: at + found.length }
}

/** `(destination "title")`, where `at` is the offset of the opening parenthesis. */
export function scanInlineTarget(text: string, at: number): Scanned<LinkTarget> | undefined {
  const start = skipWhitespace(text, at + 1)
  if (text[start] === ')') return { value: { href: '', title: '' }, end: start + 1 }
  const destination = scanDestination(text, start)
  if (!destination) return undefined
  const gap = skipWhitespace(text, destination.end)
  const found = gap > destination.end ? scanTitle(text, gap) : undefined
  const end = skipWhitespace(text, found?.end ?? gap)
  if (text[end] !== ')') return undefined
  return { value: { href: destination.value, title: found?.value ?? '' }, end: end + 1 }
}

/** `[label]`, where `at` is the offset of the opening bracket. The value is the text inside. */
export function scanLabel(text: string, at: number): Scanned<string> | undefined {
  const limit = Math.min(text.length, at + maxLabelLength + 2)
  for (let end = at + 1; end < limit; end++) {
    const char = text[end]
    if (char === '\\') end += 1
    else if (char === '[') return undefined
    else if (char === ']') return { value: text.slice(at + 1, end), end: end + 1 }
  }
  return undefined
}

/** Labels that differ in case or white space name the same definition. */
export const normalizeLabel = (label: string): string =>
  label.trim().replace(/\s+/g, ' ').toLowerCase().toUpperCase()

/** The end of the line, if only spaces and tabs come before it. */
function lineEnd(text: string, at: number): number | undefined {
  let end = at
  while (text[end] === ' ' || text[end] === '\t') end += 1
  return end === text.length ? end : text[end] === '\n' ? end + 1 : undefined
}

/** `[label]: destination "title"` up to the end of its last line. */
export function scanDefinition(
  text: string,
  at: number,
): Scanned<LinkTarget & { label: string }> | undefined {
  const label = scanLabel(text, at)
  if (!label || text[label.end] !== ':' || label.value.trim() === '') return undefined
  const start = skipWhitespace(text, label.end + 1)
  const destination = scanDestination(text, start)
  if (!destination || destination.end === start) return undefined
  const named = { label: normalizeLabel(label.value), href: destination.value }
  const gap = skipWhitespace(text, destination.end)
  const found = gap > destination.end ? scanTitle(text, gap) : undefined
  const titled = found && lineEnd(text, found.end)
  if (found && titled !== undefined) return { value: { ...named, title: found.value }, end: titled }
  const end = lineEnd(text, destination.end)
  return end === undefined ? undefined : { value: { ...named, title: '' }, end }
}

/** An address found in plain text: where it begins, where it ends, and where it leads. */
export interface BareAddress {
  start: number
  end: number
  href: string
}

const hostStart = /[\p{L}\p{N}_]/uy
const untilSpace = /[^\s<]*/y
const untilSpaceOrBracket = /[^\s<\]]*/y
const boundary = /[\s*_~([{"'>]/
const emailDomain =
  /[a-z\d](?:[a-z\d-]{0,62}[a-z\d])?(?:\.[a-z\d](?:[a-z\d-]{0,62}[a-z\d])?){1,8}/iy
const localPart = /[a-z\d.!#$%&'*+/=?^_`{|}~-]/i
const maxLocalPart = 64

/** The end without punctuation that belongs to the sentence, and without unmatched parentheses. */
function withoutTrailingPunctuation(text: string, start: number, end: number): number {
  let closing = 0
  for (let at = start; at < end; at++) closing += text[at] === ')' ? 1 : text[at] === '(' ? -1 : 0
  while (end > start) {
    const last = text[end - 1]!
    if (last === ')' && closing > 0) closing -= 1
    else if (!/[?!.,:*_~'";]/.test(last)) break
    end -= 1
  }
  return end
}

/**
 * The address around `at`, which is the offset of a `:` (as in https://), of a `.` (as in www.) or
 * of an `@`. It begins no earlier than `from`. Within brackets it ends before the next closing one.
 */
export function scanBareAddress(
  text: string,
  at: number,
  from: number,
  isWithinBrackets: boolean,
): BareAddress | undefined {
  const isAfterBoundary = (start: number) =>
    start >= from && (start === 0 || boundary.test(text[start - 1]!))
  if (text[at] === '@') {
    let start = at
    while (start > from && at - start < maxLocalPart && localPart.test(text[start - 1]!)) start -= 1
    const host = start < at ? matchAt(emailDomain, text, at + 1) : undefined
    if (
      host === undefined ||
      text[start - 1] === '\\' ||
      /[-_]/.test(text[at + 1 + host.length] ?? '')
    )
      return undefined
    const end = at + 1 + host.length
    return { start, end, href: `mailto:${text.slice(start, end)}` }
  }
  const scheme =
    text[at] === '.' ? 'www' : text.slice(at - 5, at).toLowerCase() === 'https' ? 'https' : 'http'
  const start = at - scheme.length
  if (text.slice(start, at).toLowerCase() !== scheme || !isAfterBoundary(start)) return undefined
  const hostAt = scheme === 'www' ? at + 1 : at + 3
  if (scheme !== 'www' && !text.startsWith('//', at + 1)) return undefined
  if (matchAt(hostStart, text, hostAt) === undefined) return undefined
  const reach =
    hostAt +
    (matchAt(isWithinBrackets ? untilSpaceOrBracket : untilSpace, text, hostAt)?.length ?? 0)
  const end = withoutTrailingPunctuation(text, start, reach)
  if (end <= hostAt) return undefined
  return { start, end, href: (scheme === 'www' ? 'http://' : '') + text.slice(start, end) }
}
