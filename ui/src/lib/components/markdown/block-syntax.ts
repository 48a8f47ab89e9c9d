// What the beginning of a line of markdown can mean. Each pattern reads a line once.

/** Lines that begin with another character start no block but a paragraph. */
const maybeSpecial = /^[#`~*+_=<>\d|:$\\-]/
export const mayStartBlock = (text: string): boolean => maybeSpecial.test(text)

export const isRule = (text: string): boolean =>
  /^(?:(?:\*[ \t]*){3,}|(?:_[ \t]*){3,}|(?:-[ \t]*){3,})$/.test(text)

/** The level of the heading that underlines make of a paragraph. */
export function underlinedLevel(text: string): 1 | 2 | undefined {
  const level = /^(?:(=+)|-+)[ \t]*$/.exec(text)
  return level ? (level[1] === undefined ? 2 : 1) : undefined
}

function trimEnd(text: string): string {
  let end = text.length
  while (end > 0 && (text[end - 1] === ' ' || text[end - 1] === '\t')) end -= 1
  return text.slice(0, end)
}

/** A heading's level and text. */
export function headingOf(text: string): { level: number; text: string } | undefined {
  const marks = /^#{1,6}(?=[ \t]|$)/.exec(text)?.[0]
  if (marks === undefined) return undefined
  const content = trimEnd(text.slice(marks.length))
  let end = content.length
  while (content[end - 1] === '#') end -= 1
  const isClosed = end === 0 || content[end - 1] === ' ' || content[end - 1] === '\t'
  return { level: marks.length, text: (isClosed ? content.slice(0, end) : content).trim() }
}

export interface Fence {
  char: string
  length: number
  info: string
}
export function fenceOf(text: string): Fence | undefined {
  const marks = /^(?:`{3,}|~{3,})/.exec(text)?.[0]
  if (marks === undefined) return undefined
  const info = text.slice(marks.length).trim()
  if (marks.startsWith('`') && info.includes('`')) return undefined
  return { char: marks[0]!, length: marks.length, info }
}
export const closesFence = (text: string, { char, length }: Fence): boolean => {
  const marks = /^(?:`{3,}|~{3,})(?=[ \t]*$)/.exec(text)?.[0]
  return marks?.startsWith(char) === true && marks.length >= length
}

export interface ListMarker {
  /** The bullet, or the character after the number. */
  delimiter: string
  /** The number; undefined for a bullet. */
  start: number | undefined
  /** In characters. */
  width: number
  /** Whether nothing follows on the line. */
  isEmpty: boolean
}
export function listMarkerOf(text: string): ListMarker | undefined {
  const found = /^(?:[*+-]|(\d{1,9})([.)]))(?=[ \t]|$)/.exec(text)
  if (!found) return undefined
  const [marker, number, delimiter] = found
  return {
    delimiter: delimiter ?? marker,
    start: number === undefined ? undefined : Number(number),
    width: marker.length,
    isEmpty: text.slice(marker.length).trim() === '',
  }
}

const elements =
  'address|article|aside|base|basefont|blockquote|body|caption|center|col|colgroup|dd|details|' +
  'dialog|dir|div|dl|dt|fieldset|figcaption|figure|footer|form|frame|frameset|h[1-6]|head|header|' +
  'hr|html|iframe|legend|li|link|main|menu|menuitem|nav|noframes|ol|optgroup|option|p|param|' +
  'search|section|summary|table|tbody|td|tfoot|th|thead|title|tr|track|ul'
const attribute = String.raw`\s+[a-z_:][\w.:-]*(?:\s*=\s*(?:"[^"<]*"|'[^'<]*'|[^\s"'=<>${'`'}]+))?`

export interface HtmlKind {
  /** Matches the line that ends the block; undefined if a blank line ends it. */
  end: RegExp | undefined
  canInterruptParagraph: boolean
}
const htmlKinds: [RegExp, HtmlKind][] = [
  [
    /^<(?:script|pre|style|textarea)(?:\s|>|$)/i,
    { end: /<\/(?:script|pre|style|textarea)>/i, canInterruptParagraph: true },
  ],
  [/^<!--/, { end: /-->/, canInterruptParagraph: true }],
  [/^<\?/, { end: /\?>/, canInterruptParagraph: true }],
  [/^<![a-z]/i, { end: />/, canInterruptParagraph: true }],
  [/^<!\[CDATA\[/, { end: /\]\]>/, canInterruptParagraph: true }],
  [
    new RegExp(`^</?(?:${elements})(?:\\s|/?>|$)`, 'i'),
    { end: undefined, canInterruptParagraph: true },
  ],
  [
    new RegExp(`^(?:<[a-z][a-z\\d-]*(?:${attribute})*\\s*/?>|</[a-z][a-z\\d-]*\\s*>)\\s*$`, 'i'),
    { end: undefined, canInterruptParagraph: false },
  ],
]
export const htmlKindOf = (text: string): HtmlKind | undefined =>
  text.startsWith('<') ? htmlKinds.find(([start]) => start.test(text))?.[1] : undefined

export type Alignment = 'left' | 'right' | 'center' | undefined

/** The cells of a table's row. An escaped bar belongs to its cell. */
export function tableCells(text: string): string[] {
  const line = text.trim()
  const cells: string[] = []
  let cell = ''
  let from = line.startsWith('|') ? 1 : 0
  let at = from
  for (; at < line.length; at++) {
    if (line[at] === '\\' && line[at + 1] === '|') {
      cell += line.slice(from, at)
      from = ++at
    } else if (line[at] === '|') {
      cells.push((cell + line.slice(from, at)).trim())
      cell = ''
      from = at + 1
    }
  }
  if (from < line.length || cell !== '') cells.push((cell + line.slice(from)).trim())
  return cells
}

/** The columns' alignment, if the line is what separates a table's head from its rows. */
export function tableAlignments(text: string): Alignment[] | undefined {
  if (!text.includes('|') || !/^[|:-][|:\- \t]*$/.test(text)) return undefined
  const cells = tableCells(text)
  if (!cells.every((cell) => /^:?-+:?$/.test(cell))) return undefined
  return cells.map((cell) => {
    const isRight = cell.endsWith(':')
    if (cell.startsWith(':')) return isRight ? 'center' : 'left'
    return isRight ? 'right' : undefined
  })
}

/** By the line that begins a formula: the line that ends it. */
export const mathEnds: ReadonlyMap<string, string> = new Map([
  ['\\[', '\\]'],
  ['$$', '$$'],
])
