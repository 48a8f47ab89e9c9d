// The text of a reply as it arrives. Only whole characters count: the first half of a surrogate
// pair waits for the second, which the next piece may bring.
import { limits } from '@lockstep/protocol/limits'
import { byteLength, firstBytes } from '@lockstep/protocol/text'

export class ReplyText {
  #text: string
  #bytes: number
  #halfPair = ''

  constructor(text: string) {
    this.#text = text
    this.#bytes = byteLength(text)
  }

  get length(): number {
    return this.#text.length
  }

  /** How many bytes a message has left. */
  get bytesLeft(): number {
    return limits.messageBytes - this.#bytes
  }

  from(offset: number): string {
    return this.#text.slice(offset)
  }

  /** @returns what has been added, and whether all of it fits */
  add(received: string, isLast: boolean): { added: string; fits: boolean } {
    let text = this.#halfPair + received
    const endsInPair = !isLast && /[\uD800-\uDBFF]$/.test(text)
    this.#halfPair = endsInPair ? text.slice(-1) : ''
    text = (endsInPair ? text.slice(0, -1) : text).toWellFormed()
    const added = firstBytes(text, this.bytesLeft)
    this.#text += added
    this.#bytes += byteLength(added)
    return { added, fits: added === text }
  }

  /** Takes everything back. Returns the half of a pair that was waiting. */
  clear(): string {
    const rest = this.#halfPair
    this.#text = this.#halfPair = ''
    this.#bytes = 0
    return rest
  }
}
