// One reply that a program of the host writes and that this node takes. Any upload of it may break,
// and the next upload goes on. The invariant: only the newest upload writes, and each letter is
// taken once, because an upload says where its text begins.
import { checkOffset, patchedMetadata } from '@lockstep/protocol/decide/host-replies'
import { Fault } from '@lockstep/protocol/errors'
import type { JsonObject } from '@lockstep/protocol/free-form'
import { limits } from '@lockstep/protocol/limits'
import { openPart } from '@lockstep/protocol/open-part'
import type { Part } from '@lockstep/protocol/parts'
import type { ProducedPiece } from '@lockstep/protocol/produce'
import { byteLength, unitsWithoutSpace } from '@lockstep/protocol/text'
import type { Upload } from '../commands/uploads.ts'
import type { EndRequest } from './end-request.ts'
import type { RunningReply } from './runner.ts'
import type { ReplyTimings } from './timings.ts'

type Timings = Pick<ReplyTimings, 'hostIdleMs' | 'hostTotalMs' | 'hostReturnMs'>

/** So many commands of a reply are remembered, in case that they are repeated. */
const MAX_COMMANDS = 1_000

export class HostReply {
  readonly run_id: string
  readonly #running: RunningReply
  readonly #timings: Timings
  #metadata: JsonObject
  readonly #commands = new Set<string>()
  #writer: HostUpload | undefined
  #deadline: NodeJS.Timeout | undefined
  readonly #lastDeadline: NodeJS.Timeout

  /** @param metadata what the log has */
  constructor(running: RunningReply, metadata: JsonObject, timings: Timings) {
    this.run_id = running.job.run_id
    this.#running = running
    this.#metadata = metadata
    this.#timings = timings
    this.#lastDeadline = setTimeout(
      () => this.end({ status: 'failed', code: 'too_slow' }),
      timings.hostTotalMs,
    )
    void this.ended.then(() => {
      clearTimeout(this.#deadline)
      clearTimeout(this.#lastDeadline)
    })
  }

  /** Resolves when the log has the end, or this node may not write it. */
  get ended(): Promise<void> {
    return this.#running.done
  }

  get isEnding(): boolean {
    return this.#running.producer.hasEnded
  }

  /** Resolves when the log has everything that was taken so far, or the reply ends. */
  written(): Promise<void> {
    return this.#running.producer.written()
  }

  /**
   * An upload that goes on with the reply, instead of the one before. Throws `invalid`.
   * @param thinking where its thinking goes on, or whether it may repeat a thought that is there
   */
  upload(offset: number, thinking: number | 'from anywhere' | 'goes on'): HostUpload {
    checkOffset(offset, this.length)
    if (typeof thinking === 'number') checkOffset(thinking, this.thinkingLength, 'thinking_offset')
    this.#writer = new HostUpload(this, offset, thinking)
    this.heard(this.#writer)
    return this.#writer
  }

  /** Whether this is the first time that the command comes. */
  isNew(mutation_id: string): boolean {
    if (this.#commands.has(mutation_id)) return false
    const [oldest] = this.#commands
    if (oldest !== undefined && this.#commands.size >= MAX_COMMANDS) this.#commands.delete(oldest)
    this.#commands.add(mutation_id)
    return true
  }

  isWriter(upload: HostUpload): boolean {
    return this.#writer === upload && !this.isEnding
  }

  end(request: EndRequest): void {
    this.#running.producer.end(request)
  }

  /** The program is still there. */
  heard(upload: HostUpload): void {
    if (this.isWriter(upload)) this.#endAfter(this.#timings.hostIdleMs, 'host_silent')
  }

  /** No more comes by this upload; another one may come. */
  left(upload: HostUpload): void {
    if (this.isWriter(upload)) this.#endAfter(this.#timings.hostReturnMs, 'host_gone')
  }

  #endAfter(ms: number, code: 'host_silent' | 'host_gone'): void {
    clearTimeout(this.#deadline)
    this.#deadline = setTimeout(() => this.end({ status: 'interrupted', code }), ms)
  }

  get length(): number {
    return this.#running.producer.taken.length
  }

  /** Without white space, because a thought begins and ends without any. */
  get thinkingLength(): number {
    const parts = this.#running.producer.taken.parts.all
    return parts.reduce(
      (sum, part) =>
        part.type === 'reasoning' && 'text' in part ? sum + unitsWithoutSpace(part.text) : sum,
      0,
    )
  }

  /** The thoughts that further thinking goes on. */
  get openThought(): string {
    return openPart(this.#running.producer.taken.parts.all, 'reasoning').text
  }

  /** Throws `too_large`. */
  addText(text: string): void {
    if (byteLength(text) > this.#running.producer.taken.bytesLeft) throw tooLarge()
    this.#running.producer.take({ kind: 'text', text })
  }

  /** Throws `too_large`. */
  addThinking(text: string): void {
    const { sizes } = this.#running.producer.taken.parts
    if (sizes.thinking + byteLength(text) > limits.messageBytes) throw tooLarge()
    this.#running.producer.take({ kind: 'thinking', text })
  }

  /** Throws `too_large`, and `invalid` for a change of text that is there. */
  addPart(part: Part): void {
    const { parts, bytesLeft } = this.#running.producer.taken
    const present = parts.find(part.id)
    if (part.type === 'text' || present?.type === 'text') {
      const message = 'must not name a part that is there: text only grows'
      const issues = [{ path: 'part.id', message }]
      if (present) throw new Fault('invalid', { detail: `part.id ${message}`, issues })
    }
    if (part.type === 'text' && 'text' in part && byteLength(part.text) > bytesLeft)
      throw tooLarge()
    const { json, thinking } = parts.sizesWith(part)
    if (thinking > limits.messageBytes) throw tooLarge()
    if (json > limits.partsBytes) throw tooLarge(limits.partsBytes)
    if (part.type === 'text' && 'text' in part && parts.all.length === 0)
      this.#running.producer.take({ kind: 'text', text: part.text }) // one text has no part
    else this.#running.producer.take({ kind: 'part', part })
  }

  /** Throws `too_large`. */
  patch(patch: JsonObject): void {
    const from = this.#metadata
    this.#metadata = patchedMetadata(from, patch)
    this.#running.producer.take({ kind: 'metadata', from, to: this.#metadata })
  }
}

const tooLarge = (limit_bytes: number = limits.messageBytes): Fault =>
  new Fault('too_large', { detail: 'The reply would become too large', limit_bytes })

/** One request, or one command, that brings pieces of a reply in order. */
class HostUpload implements Upload {
  readonly #reply: HostReply
  /** Where its next text goes. */
  #position: number
  /** Where its next thinking goes, if it says so. */
  #thinkingPosition: number | undefined
  /** How much of the open thought has come again, until something else comes. */
  #repeated: number | undefined

  constructor(reply: HostReply, offset: number, thinking: number | 'from anywhere' | 'goes on') {
    this.#reply = reply
    this.#position = offset
    if (typeof thinking === 'number') this.#thinkingPosition = thinking
    this.#repeated = thinking === 'from anywhere' ? 0 : undefined
  }

  /** False if nothing more is taken: the reply has ended, or another upload goes on with it. */
  get isTaken(): boolean {
    return this.#reply.isWriter(this)
  }

  /** Ends the reply if the piece can't be taken, and throws `invalid` or `too_large`. */
  take(piece: ProducedPiece): void {
    if (!this.isTaken) return
    this.#reply.heard(this)
    try {
      this.#take(piece)
    } catch (error) {
      this.fail(error)
      throw error
    }
  }

  /** The program is still there, without a piece. */
  wait(): void {
    this.#reply.heard(this)
  }

  /** Resolves when the log has what was taken, or the reply has ended. */
  written(): Promise<void> {
    return this.#reply.written()
  }

  /** The upload is over, or broke. */
  leave(): void {
    this.#reply.left(this)
  }

  /** What has come can't be taken. */
  fail(error: unknown): void {
    if (!this.isTaken) return
    const isLarge = error instanceof Fault && error.code === 'too_large'
    this.#reply.end({ status: 'failed', code: isLarge ? 'too_large' : 'host_malformed' })
  }

  #take(piece: ProducedPiece): void {
    const reply = this.#reply
    if ('thinking' in piece) return this.#think(piece.thinking)
    if ('text' in piece) return this.#write(piece.text, (text) => reply.addText(text))
    if ('part' in piece) return this.#put(piece.part)
    if ('metadata' in piece) return reply.patch(piece.metadata)
    if ('done' in piece) return reply.end({ status: 'complete' })
    reply.end({ status: 'failed', reason: piece.failed })
  }

  #write(text: string, add: (text: string) => void): void {
    const known = knownUnits(this.#reply.length, this.#position, text)
    this.#position += text.length
    if (known === text.length) return
    this.#repeated = undefined
    add(text.slice(known))
  }

  #put(part: Part): void {
    if (part.type !== 'text' || !('text' in part)) return this.#reply.addPart(part)
    this.#write(part.text, (text) => this.#reply.addPart({ ...part, text }))
  }

  /**
   * Without an offset, what came before text that is there is there too. At the end of the text, an
   * upload may repeat the thought that is there from its beginning, or go on with it.
   */
  #think(text: string): void {
    if (this.#thinkingPosition !== undefined) {
      const rest = withoutFirst(text, this.#reply.thinkingLength - this.#thinkingPosition)
      this.#thinkingPosition += unitsWithoutSpace(text)
      if (rest !== '') this.#reply.addThinking(rest)
      return
    }
    if (this.#position < this.#reply.length) return
    if (this.#repeated === undefined) return this.#reply.addThinking(text)
    const thought = this.#reply.openThought
    const rest = thought.slice(this.#repeated)
    if (text.length <= rest.length && rest.startsWith(text)) {
      this.#repeated += text.length
      return
    }
    const held = thought.slice(0, this.#repeated)
    this.#repeated = undefined
    this.#reply.addThinking(text.startsWith(rest) ? text.slice(rest.length) : held + text)
  }
}

/** The rest of a text after so many of its units that are no white space. */
function withoutFirst(text: string, units: number): string {
  let at = 0
  for (let left = units; left > 0 && at < text.length; at++) if (/\S/.test(text[at]!)) left--
  return text.slice(at)
}

/** How much of the text at `position` a reply of this length has. */
const knownUnits = (length: number, position: number, text: string): number =>
  Math.min(text.length, Math.max(0, length - position))
