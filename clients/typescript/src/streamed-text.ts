// Streamed text that the log doesn't have yet, by the message or run that it belongs to. A piece
// may get lost, come twice or come out of order. Therefore only text that follows the durable text
// without a gap is shown, and durable text always wins. Thinking at an offset takes back the
// streamed text from there on. Each part that is streamed by itself has a stream of its own.
import type { Delta } from '@lockstep/protocol/sync'

const MAX_STREAMS = 32
const MAX_EARLY_PIECES = 200

/** The key of a part's stream. */
export const partKey = (message_id: string, part_id: string): string => `${message_id}:${part_id}`

interface Piece {
  offset: number
  text: string
}

interface Stream {
  run_id: string
  /** `text` begins here. All offsets count UTF-16 units of the whole text. */
  offset: number
  text: string
  /** Pieces that begin after the end of `text`. */
  early: Piece[]
  /**
   * The model is thinking before it writes what comes at `offset`. `since`: when that began, on
   * this device's clock (`performance.now()`).
   */
  thinking?: { offset: number; since: number }
}

export class StreamedText {
  readonly #streams = new Map<string, Stream>()

  /**
   * Takes a piece. True if what is shown may have changed.
   * @param durableLength of the text that the log has
   */
  add(key: string, { run_id, offset, text, thinking_ms }: Delta, durableLength: number): boolean {
    const stream = this.#current(key, run_id, durableLength)
    if (thinking_ms !== undefined) {
      const takesBack = offset < stream.offset + stream.text.length
      if (takesBack) {
        stream.text = stream.text.slice(0, Math.max(0, offset - stream.offset))
        stream.early = []
      }
      const isKnown = !takesBack && stream.thinking?.offset === offset
      if (!isKnown) stream.thinking = { offset, since: performance.now() - thinking_ms }
      return !isKnown
    }
    const before = stream.text.length
    if (stream.early.length < MAX_EARLY_PIECES) stream.early.push({ offset, text })
    joinPieces(stream)
    return stream.text.length > before
  }

  /** `durable`, followed by the streamed text. */
  append(key: string, durable: string): string {
    const stream = this.#streams.get(key)
    if (!stream || stream.offset > durable.length) return durable
    return durable + stream.text.slice(durable.length - stream.offset)
  }

  /**
   * When the model began to think; undefined if it has written more than the shown `length` since.
   */
  thinkingSince(key: string, length: number): number | undefined {
    const thinking = this.#streams.get(key)?.thinking
    return thinking && length <= thinking.offset ? thinking.since : undefined
  }

  /** The ids of the parts of a message that are streamed by themselves. */
  partIds(message_id: string): string[] {
    const prefix = partKey(message_id, '')
    return [...this.#streams.keys()]
      .filter((key) => key.startsWith(prefix))
      .map((key) => key.slice(prefix.length))
  }

  /** The log has the whole text. */
  end(key: string): void {
    this.#streams.delete(key)
    for (const id of this.partIds(key)) this.#streams.delete(partKey(key, id))
  }

  clear(): void {
    this.#streams.clear()
  }

  /**
   * The stream of this run. It starts again at the end of the durable text if that has overtaken
   * it, or if durable text was taken back.
   */
  #current(key: string, run_id: string, durableLength: number): Stream {
    const known = this.#streams.get(key)
    const isSameRun = known?.run_id === run_id
    const isCurrent =
      known &&
      isSameRun &&
      known.offset <= durableLength &&
      known.offset + known.text.length >= durableLength
    if (isCurrent) return known
    const early = known && isSameRun ? known.early : []
    const stream: Stream = { run_id, offset: durableLength, text: '', early }
    this.#streams.delete(key)
    this.#streams.set(key, stream)
    if (this.#streams.size > MAX_STREAMS) this.#streams.delete(this.#streams.keys().next().value!)
    return stream
  }
}

/** Appends every early piece that touches the end of the text. */
function joinPieces(stream: Stream): void {
  stream.early.sort((a, b) => a.offset - b.offset)
  const stillEarly: Piece[] = []
  for (const piece of stream.early) {
    const end = stream.offset + stream.text.length
    if (piece.offset > end) stillEarly.push(piece)
    else stream.text += piece.text.slice(end - piece.offset)
  }
  stream.early = stillEarly
}
