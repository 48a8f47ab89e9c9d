// The parts of a reply while it is being written: which of them the log doesn't have yet, and what
// of its thinking devices haven't been shown. The invariant: parts are written in their order, so
// that the log puts each text into the same part as here (`openPart`).
import { limits } from '@lockstep/protocol/limits'
import { openPart, putPart, replaceTexts } from '@lockstep/protocol/message-parts'
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

/** White space or half a character at the end of a thought counts once something follows it. */
const UNFINISHED = /\s*[\uD800-\uDBFF]?$/

export class ReplyParts {
  #parts: readonly Part[]
  /** The ids of the parts that the log lacks, apart from texts. */
  readonly #unwritten = new Set<string>()
  /** How much of each reasoning part has been shown (UTF-16 units). */
  readonly #shown = new Map<string, number>()
  #heldBack = ''

  /** @param parts what the log has */
  constructor(parts: readonly Part[] = []) {
    this.#parts = parts
    for (const part of parts) if ('text' in part) this.#shown.set(part.id, part.text.length)
  }

  get all(): readonly Part[] {
    return this.#parts
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
    this.#parts = putPart(this.#parts, { ...part, text: part.text + text })
  }

  /** @param ms how long the model has been thinking */
  addThinking(received: string, ms: number): void {
    const part = openPart(this.#parts, 'reasoning')
    const all = this.#heldBack + received
    const text = part.text === '' ? all.trimStart() : all
    const end = UNFINISHED.exec(text)!.index
    this.#heldBack = text.slice(end)
    const left = limits.messageBytes - byteLength(this.thinking)
    const added = firstBytes(text.slice(0, end).toWellFormed(), left)
    if (part.text === '' && added === '') return
    this.put({ id: part.id, type: 'reasoning', text: part.text + added, ms })
  }

  /** Adds a part, or replaces the one with its id; a text part is only added. */
  put(part: Part): void {
    this.#parts = putPart(this.#parts, part)
    this.#unwritten.add(part.id)
  }

  /** All text so far was thinking. */
  turnTextIntoThinking(rest: string, ms: number): void {
    const text = contentOf(this.#parts) + rest
    this.#parts = replaceTexts(this.#parts, 'text', '')
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
    if (this.#parts.includes(part)) this.#unwritten.delete(part.id)
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
}
