// Parses the blocks of a markdown text as CommonMark defines them, with tables and task lists as on
// GitHub. The text of paragraphs is parsed when it is shown. The invariant: the cost of a line is
// its length, times a bounded depth. Deeper nesting is text.
import {
  markTask,
  type Block,
  type Definition,
  type Item,
  type List,
  type Table,
} from './blocks.ts'
import {
  closesFence,
  fenceOf,
  headingOf,
  htmlKindOf,
  isRule,
  listMarkerOf,
  mathEnds,
  mayStartBlock,
  tableAlignments,
  tableCells,
  underlinedLevel,
  type Fence,
  type HtmlKind,
  type ListMarker,
} from './block-syntax.ts'
import { LineCursor } from './line-cursor.ts'
import { scanDefinition, unescapeText } from './link-syntax.ts'

/** How deep blocks may nest. Within as many blocks, no further one begins. */
const maxDepth = 20
/** Wider tables stay text, because browsers take seconds to lay them out. */
const maxColumns = 100
/** How many lines are read between two pauses. */
const linesPerStep = 100
/** How many columns of white space make a line code. */
const codeIndent = 4

type Verbatim = { start: number; lines: string[] } & (
  | { type: 'fenced'; fence: Fence; indent: number }
  | { type: 'indented' }
  | { type: 'math'; open: string; close: string; isClosed: boolean }
  | { type: 'html'; kind: HtmlKind }
)
interface Paragraph {
  type: 'paragraph'
  start: number
  lines: string[]
  /** Where the last line begins. */
  lastStart: number
}
/** A block to which the next line may belong. */
type Open =
  | { type: 'root' | 'quote'; blocks: Block[] }
  | { type: 'list'; list: List; delimiter: string }
  | { type: 'item'; item: Item; list: List; indent: number; blocks: Block[] }
  | Paragraph
  | { type: 'table'; table: Table }
  | Verbatim

class BlockParser {
  readonly #text: string
  readonly #blocks: Block[] = []
  readonly #definitions: Map<string, Definition>
  /** From the root to the innermost block that isn't closed. */
  readonly #open: Open[] = [{ type: 'root', blocks: this.#blocks }]
  #line = new LineCursor('')
  #lineStart = 0
  /** Whether the line before was blank in a way that makes lists loose. */
  #isAfterBlank = false

  constructor(text: string, definitions: Map<string, Definition>) {
    this.#text = text
    this.#definitions = definitions
  }

  *parse(from: number): Generator<void, Block[]> {
    const text = this.#text
    for (let start = from, lines = 0; start < text.length; lines++) {
      if (lines % linesPerStep === linesPerStep - 1) yield
      const found = text.indexOf('\n', start)
      const end = found < 0 ? text.length : found
      this.#line = new LineCursor(text.slice(start, end))
      this.#lineStart = start
      this.#isAfterBlank = this.#addLine()
      start = end + 1
    }
    this.#closeTo(1)
    return this.#blocks
  }

  get #tip(): Open {
    return this.#open.at(-1)!
  }

  /** Returns whether the line is blank and makes lists loose. */
  #addLine(): boolean {
    const line = this.#line
    let matched = 1
    while (matched < this.#open.length && this.#continues(this.#open[matched]!)) matched += 1
    const innermost = this.#open[matched - 1]!
    if (innermost.type === 'fenced' && this.#endsFence(innermost)) {
      this.#closeTo(matched - 1)
      return false
    }
    const isLoosening =
      line.isBlank &&
      innermost.type !== 'quote' &&
      innermost.type !== 'fenced' &&
      !(innermost.type === 'item' && innermost.item.start === this.#lineStart)
    const height = isVerbatim(innermost) ? matched : this.#startBlocks(matched)
    if (height !== undefined) this.#addRest(height, height === matched)
    return isLoosening
  }

  /** Whether the line belongs to the open block. If it does, its marker is consumed. */
  #continues(block: Open): boolean {
    const line = this.#line
    switch (block.type) {
      case 'root':
      case 'list':
        return true
      case 'quote':
        if (line.isIndented || line.next !== '>') return false
        line.skip(1)
        line.skipOneSpace()
        return true
      case 'item':
        if (line.isBlank) {
          line.skipSpace()
          return block.blocks.length > 0 || this.#tip !== block
        }
        if (line.indent < block.indent) return false
        line.skipColumns(block.indent)
        return true
      case 'paragraph':
      case 'table':
        return !line.isBlank
      case 'fenced':
        if (!this.#endsFence(block)) line.skipColumns(Math.min(line.indent, block.indent))
        return true
      case 'indented':
        if (!line.isIndented && !line.isBlank) return false
        line.skipColumns(codeIndent)
        return true
      case 'html':
        return !line.isBlank || block.kind.end !== undefined
      case 'math':
        return !line.isBlank && !block.isClosed
    }
  }
  #endsFence({ fence }: Verbatim & { type: 'fenced' }): boolean {
    return !this.#line.isIndented && closesFence(this.#line.trimmedRest, fence)
  }

  /**
   * Opens the blocks that begin on the line. Returns how many open blocks the rest of the line
   * belongs to; undefined if there is no rest.
   */
  #startBlocks(matched: number): number | undefined {
    let height = matched
    for (;;) {
      const line = this.#line
      if (line.isBlank || this.#open.length > maxDepth) return height
      if (!line.isIndented && !mayStartBlock(line.trimmedRest)) return height
      const outcome = line.isIndented ? this.#startIndented(height) : this.#startBlock(height)
      if (outcome === 'nothing') return height
      if (outcome === 'whole line') return undefined
      height = this.#open.length
      if (isVerbatim(this.#tip)) return height
    }
  }
  /** Whether the line could continue a paragraph, perhaps one of an inner block. */
  #mayContinueParagraph(height: number): boolean {
    return this.#open[height - 1]!.type === 'paragraph' || this.#isLazy(height)
  }
  #isLazy(height: number): boolean {
    return height < this.#open.length && this.#tip.type === 'paragraph'
  }
  #startIndented(height: number): 'begun' | 'nothing' {
    if (this.#mayContinueParagraph(height)) return 'nothing'
    this.#line.skipColumns(codeIndent)
    this.#childrenAt(height)
    this.#open.push({ type: 'indented', start: this.#lineStart, lines: [] })
    return 'begun'
  }
  #startBlock(height: number): 'begun' | 'whole line' | 'nothing' {
    const line = this.#line
    const text = line.trimmedRest
    const start = this.#lineStart
    const innermost = this.#open[height - 1]!
    if (line.next === '>') {
      line.skip(1)
      line.skipOneSpace()
      const blocks: Block[] = []
      this.#childrenAt(height).push({ type: 'quote', start, blocks })
      this.#open.push({ type: 'quote', blocks })
      return 'begun'
    }
    const heading = headingOf(text)
    if (heading) {
      this.#childrenAt(height).push({ type: 'heading', start, ...heading })
      return 'whole line'
    }
    const fence = fenceOf(text)
    if (fence) {
      this.#childrenAt(height)
      this.#open.push({ type: 'fenced', start, lines: [], fence, indent: line.indent })
      return 'whole line'
    }
    const close = mathEnds.get(text)
    if (close !== undefined && !this.#mayContinueParagraph(height)) {
      this.#childrenAt(height)
      this.#open.push({ type: 'math', start, lines: [], open: text, close, isClosed: false })
      return 'whole line'
    }
    const kind = htmlKindOf(text)
    if (kind && (kind.canInterruptParagraph || !this.#mayContinueParagraph(height))) {
      this.#childrenAt(height)
      this.#open.push({ type: 'html', start, lines: [], kind })
      return 'begun'
    }
    if (innermost.type === 'paragraph') {
      const level = underlinedLevel(text)
      if (level !== undefined && this.#underline(innermost, level)) return 'whole line'
      if (this.#startTable(innermost, text)) return 'whole line'
    }
    if (isRule(text)) {
      this.#childrenAt(height).push({ type: 'rule', start })
      return 'whole line'
    }
    const marker = listMarkerOf(text)
    return marker && this.#startItem(height, marker) ? 'begun' : 'nothing'
  }

  #startItem(height: number, marker: ListMarker): boolean {
    const line = this.#line
    const start = this.#lineStart
    const { delimiter, start: first } = marker
    const innermost = this.#open[height - 1]!
    const mayInterrupt = !marker.isEmpty && (first === undefined || first === 1)
    if (innermost.type === 'paragraph' && !mayInterrupt) return false
    let indent = line.indent + marker.width
    line.skip(marker.width)
    const space = marker.isEmpty || line.indent > codeIndent ? 1 : line.indent
    indent += space
    line.skipColumns(space)

    const item: Item = { start, blocks: [] }
    let list: List
    if (innermost.type === 'list' && innermost.delimiter === delimiter) {
      this.#closeTo(height)
      list = innermost.list
      if (this.#isAfterBlank) list.isLoose = true
    } else {
      list = { type: 'list', start, first, isLoose: false, items: [] }
      this.#childrenAt(height).push(list)
      this.#open.push({ type: 'list', list, delimiter })
    }
    list.items.push(item)
    this.#open.push({ type: 'item', item, list, indent, blocks: item.blocks })
    return true
  }

  /** Makes the paragraph a heading, unless it consists of definitions. */
  #underline(paragraph: Paragraph, level: number): boolean {
    const { start } = paragraph
    const text = this.#textAfterDefinitions(paragraph)
    if (text === '') return false
    this.#open.pop()
    this.#childrenAt(this.#open.length).push({ type: 'heading', start, level, text })
    return true
  }
  /** Makes the paragraph's last line the head of a table, if the text has as many columns. */
  #startTable(paragraph: Paragraph, text: string): boolean {
    const alignments = tableAlignments(text)
    const head = alignments && tableCells(paragraph.lines.at(-1)!)
    if (!alignments || alignments.length > maxColumns || head?.length !== alignments.length)
      return false
    const start = paragraph.lastStart
    paragraph.lines.pop()
    const height = this.#open.length - 1
    this.#closeTo(height)
    const table: Table = { type: 'table', start, alignments, head, rows: [] }
    this.#childrenAt(height).push(table)
    this.#open.push({ type: 'table', table })
    return true
  }

  /** The blocks of the innermost container among the first `height`. Closes everything within. */
  #childrenAt(height: number): Block[] {
    for (let at = height; at > 0; at--) {
      const parent = this.#open[at - 1]!
      if (!('blocks' in parent)) continue
      this.#closeTo(at)
      if (parent.type === 'item' && this.#isAfterBlank && parent.blocks.length > 0)
        parent.list.isLoose = true
      return parent.blocks
    }
    return this.#blocks
  }

  #addRest(height: number, isNothingNew: boolean): void {
    const line = this.#line
    const innermost = this.#open[height - 1]!
    if (isVerbatim(innermost)) {
      innermost.lines.push(line.rest)
      if (innermost.type === 'html' && innermost.kind.end?.test(line.rest))
        this.#closeTo(height - 1)
      if (innermost.type === 'math') innermost.isClosed = line.trimmedRest === innermost.close
      return
    }
    const tip = this.#tip
    if (isNothingNew && !line.isBlank && this.#isLazy(height) && tip.type === 'paragraph') {
      tip.lines.push(line.trimmedRest)
      tip.lastStart = this.#lineStart
      return
    }
    this.#closeTo(height)
    if (line.isBlank) return
    if (innermost.type === 'paragraph') {
      innermost.lines.push(line.trimmedRest)
      innermost.lastStart = this.#lineStart
    } else if (innermost.type === 'table') {
      innermost.table.rows.push({ start: this.#lineStart, text: line.trimmedRest })
    } else {
      this.#childrenAt(height)
      const start = this.#lineStart
      this.#open.push({ type: 'paragraph', start, lines: [line.trimmedRest], lastStart: start })
    }
  }

  /** Closes the innermost blocks until `height` are open. */
  #closeTo(height: number): void {
    while (this.#open.length > height) this.#close(this.#open.pop()!)
  }
  #close(block: Open): void {
    const parent = this.#tip
    if ('lines' in block && 'blocks' in parent) {
      const made = this.#finished(block)
      if (made) parent.blocks.push(made)
    }
    if (block.type === 'item') markTask(block.item)
  }
  #finished(block: Paragraph | Verbatim): Block | undefined {
    const { start, lines } = block
    switch (block.type) {
      case 'paragraph': {
        const text = this.#textAfterDefinitions(block)
        return text === '' ? undefined : { type: 'paragraph', start, text }
      }
      case 'fenced': {
        const text = lines.map((line) => `${line}\n`).join('')
        return { type: 'code', start, text, info: unescapeText(block.fence.info) }
      }
      case 'indented': {
        const end = lines.findLastIndex((line) => line.trim() !== '') + 1
        return { type: 'code', start, text: `${lines.slice(0, end).join('\n')}\n`, info: '' }
      }
      case 'html':
        return { type: 'html', start, text: lines.join('\n') }
      case 'math': {
        const source = [block.open, ...lines].join('\n')
        if (!block.isClosed) return { type: 'paragraph', start, text: source }
        return { type: 'math', start, text: lines.slice(0, -1).join('\n'), source }
      }
    }
  }

  /** Takes the definitions at the paragraph's beginning. Returns its other text. */
  #textAfterDefinitions({ lines, start }: Paragraph): string {
    const text = lines.join('\n')
    let from = 0
    while (text[from] === '[') {
      const found = scanDefinition(text, from)
      if (!found) break
      const { label, href, title } = found.value
      if (!this.#definitions.has(label)) this.#definitions.set(label, { href, title, at: start })
      from = found.end
    }
    return text.slice(from).trim()
  }
}

const isVerbatim = (block: Open): block is Verbatim =>
  'lines' in block && block.type !== 'paragraph'

/**
 * The blocks of `text` from the offset `from` on, where a block of the root begins. Lines end with
 * `\n`. Adds to `definitions` what isn't defined yet. Pauses often, so that the caller may do the
 * work in slices.
 */
export const parseBlocks = (
  text: string,
  from: number,
  definitions: Map<string, Definition>,
): Generator<void, Block[]> => new BlockParser(text, definitions).parse(from)
