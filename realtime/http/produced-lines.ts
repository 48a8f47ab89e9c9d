// Reads the pieces of a reply from newline-delimited JSON.
import { Fault } from '@lockstep/protocol/errors'
import { excessOf } from '@lockstep/protocol/json-shape'
import { limits } from '@lockstep/protocol/limits'
import { parsePiece, type ProducedPiece } from '@lockstep/protocol/produce'
import type { Upload } from '../commands/uploads.ts'
import type { StreamedBody } from './streamed-body.ts'

const NEWLINE = 0x0a
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * Gives the pieces to the upload. What arrives after the reply has ended is read and dropped, so
 * that the sender gets to its answer. A line without an end isn't taken. Throws `invalid` or
 * `too_large`.
 */
export async function readProduced(body: StreamedBody, upload: Upload): Promise<void> {
  const lines = new Lines()
  for await (const chunk of body.chunks()) {
    if (!upload.isTaken) continue
    upload.wait()
    const { pieces, fault } = lines.add(chunk)
    for (const piece of joined(pieces)) upload.take(piece)
    if (fault) throw fault
  }
}

/** Cuts bytes into lines, and makes pieces of those that have an end. */
class Lines {
  #rest: Buffer[] = []
  #bytes = 0

  /** Returns the pieces of the lines that the chunk ends; with a fault, those before it. */
  add(chunk: Buffer): { pieces: ProducedPiece[]; fault?: unknown } {
    const pieces: ProducedPiece[] = []
    try {
      let from = 0
      for (let end; (end = chunk.indexOf(NEWLINE, from)) >= 0; from = end + 1) {
        this.#keep(chunk.subarray(from, end))
        pieces.push(...pieceOf(Buffer.concat(this.#rest.splice(0))))
        this.#bytes = 0
      }
      this.#keep(chunk.subarray(from))
      return { pieces }
    } catch (fault) {
      return { pieces, fault }
    }
  }

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
}

/** The piece of a line; none for an empty line, which only says that the sender is there. */
function pieceOf(line: Buffer): ProducedPiece[] {
  const text = wellFormed(() => utf8.decode(line))
  if (text.trim() === '') return []
  const excess = excessOf(text)
  if (excess !== undefined)
    throw new Fault('invalid', {
      detail: `A line ${excess}`,
      issues: [{ path: '', message: excess }],
    })
  return [parsePiece(wellFormed(() => JSON.parse(text) as unknown))]
}

function wellFormed<T>(read: () => T): T {
  try {
    return read()
  } catch {
    throw new Fault('invalid', { status: 400, detail: 'A line is not well-formed JSON in UTF-8' })
  }
}

/** Texts that follow each other become one piece, because many small ones take longer. */
function joined(pieces: readonly ProducedPiece[]): ProducedPiece[] {
  const all: ProducedPiece[] = []
  for (const piece of pieces) {
    const last = all.at(-1)
    if (last && 'text' in piece && 'text' in last)
      all[all.length - 1] = { text: last.text + piece.text }
    else if (last && 'thinking' in piece && 'thinking' in last)
      all[all.length - 1] = { thinking: last.thinking + piece.thinking }
    else all.push(piece)
  }
  return all
}
