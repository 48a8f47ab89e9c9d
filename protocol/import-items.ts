// Where the items of each source lie in its JSON, and the reader that cuts a file of any size into them. Only the structure is looked at, byte
// by byte; whoever parses a piece finds what else is wrong in it. In memory is one item, and what its export has beside the lists of items.
import { Fault } from './errors.ts'
import { limits } from './limits.ts'
import type { ImportSource } from './owner.ts'

const conversations = ['conversations']

/** The lists in an export whose elements are items. An export may also be a list of items, or of exports, or an item by itself. */
const itemLists: Readonly<Record<ImportSource, readonly string[]>> = {
  lockstep: ['conversations', 'agent_runs'],
  browser: conversations,
  chatgpt: conversations,
  claude: conversations,
  librechat: conversations,
  'open-webui': conversations,
  'chat-ui': conversations,
}

/**
 * A part of an export: `open`, `text` and `close` together are an export of the same source that holds only this. Pieces with the same
 * `open`, unless it is empty, may be put into one, separated by commas.
 */
export interface Fragment {
  open: string
  /** UTF-8. */
  text: Uint8Array
  close: string
  /** Of an item, its place in its list, from 0. */
  index: number
  /** It is above what a reader may hold at once: `text` is empty, and nobody knows whether it is JSON. */
  isTooLarge: boolean
}

/** What pieces that may be put into one are as JSON in UTF-8, in parts. */
export function joinFragments(pieces: readonly Fragment[]): (string | Uint8Array<ArrayBuffer>)[] {
  const [{ open, close }] = pieces as [Fragment]
  const texts = pieces.flatMap(({ text }, i) => (i === 0 ? [text] : [',', text])) as (
    string | Uint8Array<ArrayBuffer>
  )[]
  return [open, ...texts, close]
}

const [QUOTE, COMMA, COLON, BACKSLASH] = [0x22, 0x2c, 0x3a, 0x5c]
const [LIST, LIST_END, OBJECT, OBJECT_END] = [0x5b, 0x5d, 0x7b, 0x7d]
/** What editors of one system put in front of UTF-8. */
const BYTE_ORDER_MARK = [0xef, 0xbb, 0xbf]
const isMark = new Uint8Array(256)
for (const byte of [QUOTE, COMMA, COLON, LIST, LIST_END, OBJECT, OBJECT_END]) isMark[byte] = 1

/** Walks over JSON in UTF-8 that comes in chunks. */
export class JsonScanner {
  #isInString = false
  #isEscaped = false

  /** Tells each bracket, comma and colon, and the quotes around strings, with its place in this chunk. */
  scan(chunk: Uint8Array, mark: (byte: number, at: number) => void): void {
    for (let at = 0; at < chunk.length; at++) {
      const byte = chunk[at]!
      if (this.#isEscaped) this.#isEscaped = false
      else if (this.#isInString) {
        if (byte === BACKSLASH) this.#isEscaped = true
        else if (byte === QUOTE) {
          this.#isInString = false
          mark(byte, at)
        }
      } else if (isMark[byte] === 1) {
        this.#isInString = byte === QUOTE
        mark(byte, at)
      }
    }
  }
}

/**
 * Values in one item. In memory the smallest of them takes twenty times its bytes, and who runs out of memory within JSON.parse takes the
 * whole process along.
 */
const ITEM_VALUES = 2_500_000

/** Bytes that come in chunks; they are dropped when there are too many. */
class ByteBuffer {
  #parts: Uint8Array[] = []
  #length = 0
  values = 0

  add(part: Uint8Array): void {
    this.#length += part.length
    if (this.isTooLarge) this.#parts = []
    else if (part.length > 0) this.#parts.push(part)
  }

  get isTooLarge(): boolean {
    return this.#length > limits.importItemBytes || this.values > ITEM_VALUES
  }

  get bytes(): Uint8Array {
    if (this.#parts.length === 1) return this.#parts[0]!
    const bytes = new Uint8Array(this.isTooLarge ? 0 : this.#length)
    let at = 0
    for (const part of this.#parts) {
      bytes.set(part, at)
      at += part.length
    }
    return bytes
  }

  get isBlank(): boolean {
    const isBlank = (part: Uint8Array) =>
      part.every((byte) => byte === 0x20 || (byte >= 0x09 && byte <= 0x0d))
    return !this.isTooLarge && this.#parts.every(isBlank)
  }
}

export const malformedJson = (): Fault =>
  new Fault('invalid', { status: 400, detail: 'This is not well-formed JSON, or is cut off' })

/**
 * Cuts one JSON value, `data` of an import, into pieces: one for each item, and one for what an export has beside its lists. However the
 * value is chunked, the pieces are the same. Chunks are kept, not copied: don't reuse them.
 */
export class ExportCutter {
  readonly #lists: readonly string[]
  readonly #structure = new JsonScanner()
  #pieces: Fragment[] = []
  #skipped = 0
  /** What is being read, at the place `#from` of the chunk on. */
  #text = new ByteBuffer()
  #from = 0
  #depth = 0
  /** The depth at which the data, or each element of data that is a list, begins. */
  #base = 0
  #isOver = false
  #elements = 0
  /** While a list is being read: the text around it, and its name. */
  #around: ByteBuffer | undefined
  #list = ''
  /** The export has lists; how many items each has. */
  #counts = new Map<string, number>()
  /** The string that was seen last among the keys of an export, and the key whose value comes. */
  #string: ByteBuffer | undefined
  #stringFrom: number | undefined
  #key: string | undefined

  constructor(source: ImportSource) {
    this.#lists = itemLists[source]
  }

  /** The pieces that end in this chunk, in order. Throws `invalid` for what can't be JSON. */
  push(given: Uint8Array): Fragment[] {
    const chunk = this.#withoutMark(given)
    this.#from = 0
    if (this.#stringFrom !== undefined) this.#stringFrom = 0
    this.#structure.scan(chunk, (byte, at) => this.#mark(chunk, byte, at))
    this.#take(chunk, chunk.length)
    if (this.#stringFrom !== undefined) this.#string!.add(chunk.subarray(this.#stringFrom))
    return this.#given()
  }

  /** What was left. Throws `invalid` when the value isn't whole. */
  end(): Fragment[] {
    if (this.#depth > 0) throw malformedJson()
    if (!this.#isOver) this.#endThing()
    else if (!this.#text.isBlank) throw malformedJson()
    return this.#given()
  }

  #withoutMark(chunk: Uint8Array): Uint8Array {
    let at = 0
    while (at < chunk.length && this.#skipped < BYTE_ORDER_MARK.length) {
      if (chunk[at] === BYTE_ORDER_MARK[this.#skipped]) at++
      else this.#skipped = BYTE_ORDER_MARK.length
      this.#skipped++
    }
    return chunk.subarray(at)
  }

  #given(): Fragment[] {
    const pieces = this.#pieces
    this.#pieces = []
    return pieces
  }

  #take(chunk: Uint8Array, to: number): void {
    this.#text.add(chunk.subarray(this.#from, to))
    this.#from = to
  }

  #mark(chunk: Uint8Array, byte: number, at: number): void {
    if (byte === QUOTE) return this.#quote(chunk, at)
    if (byte === COLON) return this.#colon()
    this.#text.values++
    if (byte === LIST || byte === OBJECT) return this.#open(chunk, byte, at)
    if (byte !== COMMA) return this.#close(chunk, byte, at)
    if (this.#depth === this.#base + 1) this.#key = undefined
    if (this.#around ? this.#depth === this.#base + 2 : this.#base === 1 && this.#depth === 1) {
      this.#take(chunk, at)
      if (this.#around) this.#endItem()
      else this.#endThing()
      this.#from = at + 1
    }
  }

  get #isAmongKeys(): boolean {
    return this.#depth === this.#base + 1 && !this.#around
  }

  #quote(chunk: Uint8Array, at: number): void {
    if (this.#stringFrom !== undefined) {
      this.#string!.add(chunk.subarray(this.#stringFrom, at))
      this.#stringFrom = undefined
    } else if (this.#isAmongKeys) {
      this.#string = new ByteBuffer()
      this.#stringFrom = at + 1
    }
  }

  #colon(): void {
    if (this.#isAmongKeys) this.#key = new TextDecoder().decode(this.#string?.bytes)
  }

  #open(chunk: Uint8Array, byte: number, at: number): void {
    if (byte === LIST && this.#depth === 0 && !this.#isOver) {
      this.#take(chunk, at)
      if (this.#text.isBlank) {
        this.#text = new ByteBuffer()
        this.#from = at + 1
        this.#base = 1
      }
    } else if (
      byte === LIST &&
      this.#isAmongKeys &&
      this.#key !== undefined &&
      this.#lists.includes(this.#key)
    ) {
      this.#take(chunk, at + 1)
      this.#around = this.#text
      this.#text = new ByteBuffer()
      this.#list = this.#key
      this.#counts.set(this.#key, this.#counts.get(this.#key) ?? 0)
    }
    this.#depth++
  }

  #close(chunk: Uint8Array, byte: number, at: number): void {
    this.#depth--
    if (this.#around && this.#depth === this.#base + 1) {
      if (byte !== LIST_END) throw malformedJson()
      this.#take(chunk, at)
      if (!this.#text.isBlank || this.#counts.get(this.#list)! > 0) this.#endItem()
      this.#text = this.#around
      this.#around = undefined
    } else if (this.#depth === 0 && this.#base === 1) {
      if (byte !== LIST_END) throw malformedJson()
      this.#take(chunk, at)
      if (!this.#text.isBlank || this.#elements > 0) this.#endThing()
      else
        this.#pieces.push({
          open: '[',
          text: new Uint8Array(),
          close: ']',
          index: 0,
          isTooLarge: false,
        })
      this.#text = new ByteBuffer()
      this.#from = at + 1
      this.#base = 0
      this.#isOver = true
    } else if (this.#depth < this.#base) throw malformedJson()
  }

  /** An element of a list in an export. */
  #endItem(): void {
    if (this.#text.isBlank) throw malformedJson()
    const index = this.#counts.get(this.#list)!
    this.#counts.set(this.#list, index + 1)
    this.#give(`{"${this.#list}":[`, ']}', index)
  }

  /** The data, or an element of it. */
  #endThing(): void {
    if (this.#text.isBlank) throw malformedJson()
    const isElement = this.#base === 1 && this.#counts.size === 0
    const [open, close] = isElement ? ['[', ']'] : ['', '']
    this.#give(open, close, this.#elements++)
    this.#counts = new Map()
    this.#key = undefined
  }

  #give(open: string, close: string, index: number): void {
    const { isTooLarge, bytes: text } = this.#text
    this.#pieces.push({ open, text, close, index, isTooLarge })
    this.#text = new ByteBuffer()
  }
}
