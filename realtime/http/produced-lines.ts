// Reads the pieces of a reply from newline-delimited JSON.
import { Fault } from '@lockstep/protocol/errors'
import { excessOf } from '@lockstep/protocol/json-shape'
import { limits } from '@lockstep/protocol/limits'
import { parsePiece, type ProducedPiece } from '@lockstep/protocol/produce'
import type { Upload } from '../commands/uploads.ts'
import { shareTurn } from '../concurrency/turns.ts'
import type { StreamedBody } from './streamed-body.ts'

const NEWLINE = 0x0a
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
/** A line costs as much as so many bytes, however short it is. */
const LINE_BYTES = 512
/** A part or metadata becomes a change of its own, so it costs as much as a request. */
const CHANGE_BYTES = 32 * 1024
/** So many bytes may wait for the log. */
const MAX_UNWRITTEN_BYTES = 1024 * 1024

/**
 * Gives the pieces to the upload, in turns with everybody else's work. What arrives after the reply
 * has ended is read and dropped, so that the sender gets to its answer. A line without an end isn't
 * taken. Throws `invalid` or `too_large`.
 */
export async function readProduced(body: StreamedBody, upload: Upload): Promise<void> {
  const lines = new Lines()
  let owed = 0
  let unwritten = 0
  for await (const chunk of body.chunks()) {
    if (!upload.isTaken) continue
    upload.wait()
    const pieces = new JoinedPieces(upload)
    try {
      for (const line of lines.add(chunk)) {
        const piece = pieceOf(line)
        if (piece) pieces.add(piece)
        owed += costOf(piece, line.length) - line.length // the chunk has paid for its bytes
        unwritten += line.length
        if (owed >= CHANGE_BYTES) {
          pieces.give()
          await body.pay(owed)
          owed = 0
        }
        await shareTurn()
        if (!upload.isTaken) break
      }
    } finally {
      pieces.give()
    }
    if (unwritten < MAX_UNWRITTEN_BYTES) continue
    await upload.written()
    unwritten = 0
  }
}

function costOf(piece: ProducedPiece | undefined, bytes: number): number {
  const isChange = piece !== undefined && ('part' in piece || 'metadata' in piece)
  return isChange ? CHANGE_BYTES + bytes : Math.max(bytes, LINE_BYTES)
}

/** Texts that follow each other become one piece, because many small ones take longer. */
class JoinedPieces {
  readonly #upload: Upload
  #last: ProducedPiece | undefined

  constructor(upload: Upload) {
    this.#upload = upload
  }

  /** Keeps the piece until one of another kind follows. Throws what that can't be taken for. */
  add(piece: ProducedPiece): void {
    const last = this.#last
    if (last && 'text' in piece && 'text' in last) this.#last = { text: last.text + piece.text }
    else if (last && 'thinking' in piece && 'thinking' in last)
      this.#last = { thinking: last.thinking + piece.thinking }
    else {
      this.give()
      this.#last = piece
    }
  }

  /** Gives what is kept to the upload. */
  give(): void {
    const last = this.#last
    this.#last = undefined
    if (last) this.#upload.take(last)
  }
}

/** Cuts bytes into lines. */
class Lines {
  #rest: Buffer[] = []
  #bytes = 0

  #keep(bytes: Buffer): void {
    if (bytes.length === 0) return
    this.#bytes += bytes.length
    if (this.#bytes > limits.bodyBytes)
      throw new Fault('too_large', {
        detail: `A line may have at most ${limits.bodyBytes} bytes`,
        limit_bytes: limits.bodyBytes,
      })
    this.#rest.push(bytes)
  }

  /** The lines that the chunk ends. Throws `too_large`. */
  *add(chunk: Buffer): Generator<Buffer> {
    let from = 0
    for (let end; (end = chunk.indexOf(NEWLINE, from)) >= 0; from = end + 1) {
      this.#keep(chunk.subarray(from, end))
      this.#bytes = 0
      yield Buffer.concat(this.#rest.splice(0))
    }
    this.#keep(chunk.subarray(from))
  }
}

/** The piece of a line; none for an empty line, which only says that the sender is there. */
function pieceOf(line: Buffer): ProducedPiece | undefined {
  const text = wellFormed(() => utf8.decode(line))
  if (text.trim() === '') return undefined
  const excess = excessOf(text)
  if (excess !== undefined)
    throw new Fault('invalid', {
      detail: `A line ${excess}`,
      issues: [{ path: '', message: excess }],
    })
  return parsePiece(wellFormed(() => JSON.parse(text) as unknown))
}

function wellFormed<T>(read: () => T): T {
  try {
    return read()
  } catch {
    throw new Fault('invalid', { status: 400, detail: 'A line is not well-formed JSON in UTF-8' })
  }
}
