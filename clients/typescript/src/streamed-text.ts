// Streamed text that the log doesn't have yet, by the message or run it belongs to. It may be lost,
// doubled or out of order: only what follows the durable text without a gap is shown, and durable
// text always wins. Thinking at an offset takes back the streamed text from there on.
import type { Delta } from '@lockstep/protocol/sync'

const MOST_STREAMS = 32
const MOST_STRAYS = 200

interface Stream {
  run_id: string
  /** Text from `offset` on; offsets count UTF-16 units of the whole. */
  offset: number
  text: string
  /** Pieces beyond the end of `text`. */
  strays: { offset: number; text: string }[]
  /**
   * The model thinks before it says what comes at `offset`; `since`: when that began, on this
   * page's clock (`performance.now()`).
   */
  thinking?: { offset: number; since: number }
}

export class StreamedText {
  readonly #streams = new Map<string, Stream>()

  /** @param durable length of the durable text. True when what is shown may have changed. */
  add(key: string, { run_id, offset, text, thinking_ms }: Delta, durable: number): boolean {
    let stream = this.#streams.get(key)
    const isStale =
      !stream ||
      stream.run_id !== run_id ||
      stream.offset + stream.text.length < durable ||
      stream.offset > durable // the durable text was taken back
    if (!stream || isStale) {
      const strays = stream?.run_id === run_id ? stream.strays : []
      stream = { run_id, offset: durable, text: '', strays }
      this.#streams.delete(key)
      this.#streams.set(key, stream)
      if (this.#streams.size > MOST_STREAMS)
        this.#streams.delete(this.#streams.keys().next().value!)
    }
    if (thinking_ms !== undefined) {
      const takesBack = offset < stream.offset + stream.text.length
      if (takesBack) {
        stream.text = stream.text.slice(0, Math.max(0, offset - stream.offset))
        stream.strays = []
      }
      const isKnown = !takesBack && stream.thinking?.offset === offset
      if (!isKnown) stream.thinking = { offset, since: performance.now() - thinking_ms }
      return !isKnown
    }
    const before = stream.text.length
    if (stream.strays.length < MOST_STRAYS) stream.strays.push({ offset, text })
    absorb(stream)
    return stream.text.length > before
  }

  /** `durable` with the streamed text behind it. */
  over(key: string, durable: string): string {
    const stream = this.#streams.get(key)
    if (!stream || stream.offset > durable.length) return durable
    return durable + stream.text.slice(durable.length - stream.offset)
  }

  /**
   * When the model began to think, unless more than the `length` that is shown has been said since.
   */
  thinkingSince(key: string, length: number): number | undefined {
    const thinking = this.#streams.get(key)?.thinking
    return thinking && length <= thinking.offset ? thinking.since : undefined
  }

  /** The text is complete. */
  end(key: string): void {
    this.#streams.delete(key)
  }

  clear(): void {
    this.#streams.clear()
  }
}

/** Takes in every stray that touches the end of the text. */
function absorb(stream: Stream): void {
  stream.strays.sort((a, b) => a.offset - b.offset)
  const beyond: Stream['strays'] = []
  for (const piece of stream.strays) {
    const end = stream.offset + stream.text.length
    if (piece.offset > end) beyond.push(piece)
    else stream.text += piece.text.slice(end - piece.offset)
  }
  stream.strays = beyond
}
