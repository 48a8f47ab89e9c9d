// Finds the structure of a JSON text without parsing it: brackets, commas, colons and the quotes
// around strings. It looks at bytes only, so it handles hundreds of MB per second and holds none of
// the text.
import { Fault } from '@lockstep/protocol/errors'

const BACKSLASH = 0x5c
const OBJECT_END = 0x7d
export const [QUOTE, COMMA, COLON] = [0x22, 0x2c, 0x3a]
export const [LIST, LIST_END, OBJECT] = [0x5b, 0x5d, 0x7b]

const isStructural = new Uint8Array(256)
for (const byte of [QUOTE, COMMA, COLON, LIST, LIST_END, OBJECT, OBJECT_END]) isStructural[byte] = 1

/** Scans one JSON text in UTF-8 that arrives in chunks. */
export class JsonScanner {
  #isInString = false
  #isEscaped = false

  /**
   * Calls `visit` for each bracket, comma and colon outside of strings, and for both quotes of each
   * string. `at` is the offset in this chunk.
   */
  scan(chunk: Uint8Array, visit: (byte: number, at: number) => void): void {
    for (let at = 0; at < chunk.length; at++) {
      const byte = chunk[at]!
      if (this.#isEscaped) this.#isEscaped = false
      else if (this.#isInString) {
        if (byte === BACKSLASH) this.#isEscaped = true
        else if (byte === QUOTE) {
          this.#isInString = false
          visit(byte, at)
        }
      } else if (isStructural[byte] === 1) {
        this.#isInString = byte === QUOTE
        visit(byte, at)
      }
    }
  }
}

export const malformedJson = (): Fault =>
  new Fault('invalid', { status: 400, detail: 'This is not well-formed JSON, or it is cut off' })
