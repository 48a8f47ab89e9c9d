// Cuts an export of any size into fragments, one for each item. It looks at the structure only,
// byte by byte. The parser of a fragment finds what else is wrong with it. Memory holds one item at
// a time, plus what its export holds outside the lists of items.
//
//   data   = export | item | [ export or item, … ]
//   export = { …, "conversations": [ item, item, … ], … }
//
//   {"a": 1, "conversations": [X, Y]}   gives {"conversations":[X]}  {"conversations":[Y]}
//                                       and at its end {"a": 1, "conversations": []}
//   [X, Y]                              gives [X]  [Y]
import { exportedLists } from '@lockstep/protocol/exported-lists'
import type { ImportSource } from '@lockstep/protocol/import'
import type { Fragment } from './fragment.ts'
import { ItemBuffer } from './item-buffer.ts'
import {
  COLON,
  COMMA,
  JsonScanner,
  LIST,
  LIST_END,
  malformedJson,
  OBJECT,
  QUOTE,
} from './json-scanner.ts'

const conversations = ['conversations']

/** The fields of an export that hold lists of items. */
const itemListNames: Readonly<Record<ImportSource, readonly string[]>> = {
  lockstep: exportedLists,
  browser: conversations,
  chatgpt: conversations,
  claude: conversations,
  librechat: conversations,
  'open-webui': conversations,
  'chat-ui': conversations,
}

/** Some editors write these bytes in front of UTF-8. */
const BYTE_ORDER_MARK = [0xef, 0xbb, 0xbf]

/**
 * Cuts one JSON value, the `data` of an import: one fragment for each item, and one for what an
 * export holds outside its lists. The fragments don't depend on how the value is split into chunks.
 * Chunks are kept, not copied: don't reuse them.
 */
export class ExportCutter {
  readonly #itemListNames: readonly string[]
  readonly #scanner = new JsonScanner()
  #fragments: Fragment[] = []
  /** How many bytes of the byte order mark have been ruled out or skipped. */
  #markBytes = 0
  /** Collects what is being read. The current chunk belongs to it from offset `#start` on. */
  #buffer = new ItemBuffer()
  #start = 0
  #depth = 0
  /** The depth at which an export or a bare item begins: 1 inside a list, otherwise 0. */
  #baseDepth = 0
  #hasEnded = false
  #elementCount = 0
  /** Set while a list of items is being read: its name, and the text of the export around it. */
  #outerBuffer: ItemBuffer | undefined
  #listName = ''
  /** How many items each list of the current export has had so far. */
  #itemCounts = new Map<string, number>()
  /**
   * The last string among the keys and values of an export, and where it starts if it is still
   * open.
   */
  #lastString: ItemBuffer | undefined
  #stringStart: number | undefined
  /** The key whose value comes next. */
  #key: string | undefined

  constructor(source: ImportSource) {
    this.#itemListNames = itemListNames[source]
  }

  /**
   * Returns the fragments that end in this chunk, in order. Throws `invalid` for what can't be
   * JSON.
   */
  push(given: Uint8Array): Fragment[] {
    const chunk = this.#withoutByteOrderMark(given)
    this.#start = 0
    if (this.#stringStart !== undefined) this.#stringStart = 0
    this.#scanner.scan(chunk, (byte, at) => this.#visit(chunk, byte, at))
    this.#bufferUpTo(chunk, chunk.length)
    if (this.#stringStart !== undefined) this.#lastString!.add(chunk.subarray(this.#stringStart))
    return this.#takeFragments()
  }

  /** Returns the remaining fragments. Throws `invalid` if the value is incomplete. */
  end(): Fragment[] {
    if (this.#depth > 0) throw malformedJson()
    if (!this.#hasEnded) this.#endElement()
    else if (!this.#buffer.isBlank) throw malformedJson()
    return this.#takeFragments()
  }

  #withoutByteOrderMark(chunk: Uint8Array): Uint8Array {
    let at = 0
    while (at < chunk.length && this.#markBytes < BYTE_ORDER_MARK.length) {
      if (chunk[at] === BYTE_ORDER_MARK[this.#markBytes]) at++
      else this.#markBytes = BYTE_ORDER_MARK.length
      this.#markBytes++
    }
    return chunk.subarray(at)
  }

  #takeFragments(): Fragment[] {
    const fragments = this.#fragments
    this.#fragments = []
    return fragments
  }

  #bufferUpTo(chunk: Uint8Array, end: number): void {
    this.#buffer.add(chunk.subarray(this.#start, end))
    this.#start = end
  }

  #visit(chunk: Uint8Array, byte: number, at: number): void {
    if (byte === QUOTE) return this.#visitQuote(chunk, at)
    if (byte === COLON) return this.#visitColon()
    this.#buffer.countValue()
    if (byte === LIST || byte === OBJECT) return this.#visitOpening(chunk, byte, at)
    if (byte === COMMA) return this.#visitComma(chunk, at)
    return this.#visitClosing(chunk, byte, at)
  }

  /** Whether the scanner is at the level of an export's own keys and values. */
  get #isAmongKeys(): boolean {
    return this.#depth === this.#baseDepth + 1 && !this.#outerBuffer
  }

  #visitQuote(chunk: Uint8Array, at: number): void {
    if (this.#stringStart !== undefined) {
      this.#lastString!.add(chunk.subarray(this.#stringStart, at))
      this.#stringStart = undefined
    } else if (this.#isAmongKeys) {
      this.#lastString = new ItemBuffer()
      this.#stringStart = at + 1
    }
  }

  #visitColon(): void {
    if (this.#isAmongKeys) this.#key = new TextDecoder().decode(this.#lastString?.bytes)
  }

  #visitComma(chunk: Uint8Array, at: number): void {
    if (this.#depth === this.#baseDepth + 1) this.#key = undefined
    const endsItem = this.#outerBuffer && this.#depth === this.#baseDepth + 2
    const endsElement = !this.#outerBuffer && this.#baseDepth === 1 && this.#depth === 1
    if (!endsItem && !endsElement) return
    this.#bufferUpTo(chunk, at)
    if (endsItem) this.#endItem()
    else this.#endElement()
    this.#start = at + 1
  }

  #visitOpening(chunk: Uint8Array, byte: number, at: number): void {
    if (byte === LIST && this.#depth === 0 && !this.#hasEnded) {
      this.#bufferUpTo(chunk, at)
      if (this.#buffer.isBlank) {
        this.#buffer = new ItemBuffer()
        this.#start = at + 1
        this.#baseDepth = 1
      }
    } else if (
      byte === LIST &&
      this.#isAmongKeys &&
      this.#key !== undefined &&
      this.#itemListNames.includes(this.#key)
    ) {
      this.#bufferUpTo(chunk, at + 1)
      this.#outerBuffer = this.#buffer
      this.#buffer = new ItemBuffer()
      this.#listName = this.#key
      this.#itemCounts.set(this.#key, this.#itemCounts.get(this.#key) ?? 0)
    }
    this.#depth++
  }

  #visitClosing(chunk: Uint8Array, byte: number, at: number): void {
    this.#depth--
    if (this.#outerBuffer && this.#depth === this.#baseDepth + 1) {
      if (byte !== LIST_END) throw malformedJson()
      this.#bufferUpTo(chunk, at)
      if (!this.#buffer.isBlank || this.#itemCounts.get(this.#listName)! > 0) this.#endItem()
      this.#buffer = this.#outerBuffer
      this.#outerBuffer = undefined
    } else if (this.#depth === 0 && this.#baseDepth === 1) {
      if (byte !== LIST_END) throw malformedJson()
      this.#bufferUpTo(chunk, at)
      if (!this.#buffer.isBlank || this.#elementCount > 0) this.#endElement()
      else {
        this.#buffer = new ItemBuffer()
        this.#emit('[', ']', 0)
      }
      this.#buffer = new ItemBuffer()
      this.#start = at + 1
      this.#baseDepth = 0
      this.#hasEnded = true
    } else if (this.#depth < this.#baseDepth) throw malformedJson()
  }

  /** Ends an item of a list in an export. */
  #endItem(): void {
    if (this.#buffer.isBlank) throw malformedJson()
    const index = this.#itemCounts.get(this.#listName)!
    this.#itemCounts.set(this.#listName, index + 1)
    this.#emit(`{"${this.#listName}":[`, ']}', index)
  }

  /** Ends the data as a whole, or an element of data that is a list. */
  #endElement(): void {
    if (this.#buffer.isBlank) throw malformedJson()
    const isBareItem = this.#baseDepth === 1 && this.#itemCounts.size === 0
    const [open, close] = isBareItem ? ['[', ']'] : ['', '']
    this.#emit(open, close, this.#elementCount++)
    this.#itemCounts = new Map()
    this.#key = undefined
  }

  #emit(open: string, close: string, index: number): void {
    const { isTooLarge, bytes: text } = this.#buffer
    this.#fragments.push({ open, text, close, index, isTooLarge })
    this.#buffer = new ItemBuffer()
  }
}
