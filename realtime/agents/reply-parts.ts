// The parts of a reply while it is being written: which of them the log doesn't have yet, and what
// of its thinking devices haven't been shown. The invariant: parts are written in their order, so
// that the log puts each text into the same part as here (`openPart`).
import { limits } from '@lockstep/protocol/limits'
import { replaceTexts } from '@lockstep/protocol/message-parts'
import { openPart } from '@lockstep/protocol/open-part'
import { contentOf, thinkingOf } from '@lockstep/protocol/part-texts'
import type { Part } from '@lockstep/protocol/parts'
import { byteLength, firstBytes } from '@lockstep/protocol/text'

/** What has to be written: text at an offset of the whole text, or a whole part. */
export type PendingWrite =
  | { kind: 'text'; offset: number; text: string }
  /** `end`: where the text of the message ends that the part and those before it have. */
  | { kind: 'part'; part: Part; end: number }

/** A piece of a part. `offset` counts UTF-16 units of the part. */
export interface PartPiece {
  part_id: string
  offset: number
  text: string
}

/** What the parts have in all, in bytes of UTF-8. */
interface PartSizes {
  /** As a list in JSON. */
  json: number
  thinking: number
}

const EMPTY: PartSizes = { json: 1, thinking: 0 }

export class ReplyParts {
  #parts: Part[] = []
  /** Where in the list the part with each id is. */
  readonly #places = new Map<string, number>()
  readonly #sizes: PartSizes = { ...EMPTY }
  /** The ids of the parts that the log lacks, apart from texts. */
  readonly #unwritten = new Set<string>()
  /** How much of each reasoning part has been shown (UTF-16 units). */
  readonly #shown = new Map<string, number>()
  /** White space or half a character at the end of a thought: added once something follows. */
  #heldBack = ''

  /** @param parts what the log has */
  constructor(parts: readonly Part[] = []) {
    this.#putAll(parts)
    for (const part of parts) if ('text' in part) this.#shown.set(part.id, part.text.length)
  }

  get all(): readonly Part[] {
    return this.#parts
  }

  /** Known without looking at the parts: a program may send thousands of pieces a second. */
  get sizes(): Readonly<PartSizes> {
    const { json, thinking } = this.#sizes
    return { json, thinking: thinking + this.#heldBack.length }
  }

  /** The sizes if this part was put: added, or in place of the one with its id. */
  sizesWith(part: Part): Readonly<PartSizes> {
    const { json, thinking } = this.#sizesAfter(part)
    return { json, thinking: thinking + this.#heldBack.length }
  }

  find(id: string): Part | undefined {
    const place = this.#places.get(id)
    return place === undefined ? undefined : this.#parts[place]
  }

  get hasUnwritten(): boolean {
    return this.#unwritten.size > 0
  }

  /** The length of what is written anew with each thought (UTF-16 units). */
  get thinkingLength(): number {
    return thinkingOf(this.#parts).length
  }

  get thinking(): string {
    return thinkingOf(this.#parts)
  }

  addText(text: string): void {
    const part = openPart(this.#parts, 'text')
    this.#extend(part, text)
  }

  /** @param ms how long the model has been thinking */
  addThinking(received: string, ms: number): void {
    const part = openPart(this.#parts, 'reasoning')
    const added = this.#finish(received, part.text === '')
    if (part.text === '' && added === '') return
    this.#extend({ id: part.id, type: 'reasoning', text: part.text, ms }, added)
    this.#unwritten.add(part.id)
  }

  /** What can be added now of thinking that has come; the rest is held back. */
  #finish(received: string, isFirst: boolean): string {
    const end = finishedLength(received)
    const maxBytes = limits.messageBytes - this.#sizes.thinking
    if (end === 0) {
      if (this.#heldBack.length + received.length <= maxBytes) this.#heldBack += received
      return ''
    }
    const all = this.#heldBack + received.slice(0, end)
    this.#heldBack = received.slice(end)
    return firstBytes((isFirst ? all.trimStart() : all).toWellFormed(), maxBytes)
  }

  /** Adds a part, or replaces the one with its id; a text part is only added. */
  put(part: Part): void {
    Object.assign(this.#sizes, this.#sizesAfter(part))
    this.#place(part)
    this.#unwritten.add(part.id)
  }

  /** All text so far was thinking. */
  turnTextIntoThinking(rest: string, ms: number): void {
    const text = contentOf(this.#parts) + rest
    this.#putAll(replaceTexts(this.#parts, 'text', ''))
    this.addThinking(text, ms)
  }

  /**
   * What the log lacks now, in order.
   * @param durable the length of the text that the log has
   */
  unwritten(durable: number): PendingWrite[] {
    const pending: PendingWrite[] = []
    let [start, from] = [0, durable]
    for (const part of this.#parts) {
      if (part.type === 'text' && 'text' in part) {
        const end = start + part.text.length
        if (this.#unwritten.has(part.id)) {
          pending.push({ kind: 'part', part, end })
          from = Math.max(from, end)
        } else if (from < end) {
          pending.push({ kind: 'text', offset: from, text: part.text.slice(from - start) })
          from = end
        }
        start = end
      } else if (this.#unwritten.has(part.id)) pending.push({ kind: 'part', part, end: start })
    }
    return pending
  }

  /** Notes that the log has this part, unless the part has changed meanwhile. */
  noteWritten(part: Part): void {
    if (this.find(part.id) === part) this.#unwritten.delete(part.id)
  }

  /** What of the thinking hasn't been shown yet. */
  takeUnshown(): PartPiece[] {
    return this.#parts.flatMap((part) => {
      if (part.type !== 'reasoning' || !('text' in part)) return []
      const offset = this.#shown.get(part.id) ?? 0
      this.#shown.set(part.id, part.text.length)
      const text = part.text.slice(offset)
      return text === '' ? [] : [{ part_id: part.id, offset, text }]
    })
  }

  #sizesAfter(part: Part): PartSizes {
    const { json, thinking } = this.#sizes
    const [added, removed] = [sizesOf(part), sizesOf(this.find(part.id))]
    return {
      json: json + added.json - removed.json,
      thinking: thinking + added.thinking - removed.thinking,
    }
  }

  #putAll(parts: readonly Part[]): void {
    this.#parts = []
    this.#places.clear()
    Object.assign(this.#sizes, EMPTY)
    for (const part of parts) {
      Object.assign(this.#sizes, this.#sizesAfter(part))
      this.#place(part)
    }
  }

  /** Puts the part with further text. Only that text is measured, not what was there. */
  #extend(part: TextPart, text: string): void {
    const former = this.find(part.id)
    if (former) {
      this.#sizes.json += sizeOfText(text) + sizeWithoutText(part) - sizeWithoutText(former)
      if (part.type === 'reasoning') this.#sizes.thinking += byteLength(text)
      this.#place({ ...part, text: part.text + text })
    } else {
      const whole = { ...part, text }
      Object.assign(this.#sizes, this.#sizesAfter(whole))
      this.#place(whole)
    }
  }

  #place(part: Part): void {
    const place = this.#places.get(part.id) ?? this.#parts.length
    this.#places.set(part.id, place)
    this.#parts[place] = part
  }
}

/** The parts, for whoever only asks about them. */
export type TakenParts = Pick<ReplyParts, 'all' | 'find' | 'sizes' | 'sizesWith'>

type TextPart = ReturnType<typeof openPart>

const sizeOfText = (text: string): number => byteLength(JSON.stringify(text)) - 2 // the quotes
const sizeWithoutText = (part: Part): number => byteLength(JSON.stringify({ ...part, text: '' }))

function sizesOf(part: Part | undefined): PartSizes {
  if (!part) return { json: 0, thinking: 0 }
  const isThinking = part.type === 'reasoning' && 'text' in part
  return {
    json: byteLength(JSON.stringify(part)) + 1, // and a comma or a bracket
    thinking: isThinking ? byteLength(part.text) : 0,
  }
}

/** The length of a text without white space or half a character at its end (UTF-16 units). */
function finishedLength(text: string): number {
  const isHalf = /^[\uD800-\uDBFF]$/.test(text.slice(-1))
  return (isHalf ? text.slice(0, -1) : text).trimEnd().length
}
