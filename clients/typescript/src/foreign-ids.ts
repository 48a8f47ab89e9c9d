// Ids of other programs, such as `chat-1` or nanoid's, as the ids of Lockstep. The same text gives
// the same id on every device and in every language: it is a UUIDv5 (RFC 9562, section 5.5).
import { isId } from '@lockstep/protocol/ids'

/** The namespace of the ids that are made of other programs' ids. */
export const FOREIGN_IDS = '2b3d5f0c-6c0a-5e9e-9a51-6f4d1f3a7c10'

/** The id for a text that another program uses as an id. A UUID stays what it is, in lower case. */
export function idOf(foreign: string): string {
  if (isId(foreign)) return foreign.toLowerCase()
  const namespace = FOREIGN_IDS.replaceAll('-', '')
    .match(/../g)!
    .map((hex) => parseInt(hex, 16))
  const bytes = sha1(Uint8Array.from([...namespace, ...new TextEncoder().encode(foreign)]))
  bytes[6] = (bytes[6]! & 0x0f) | 0x50
  bytes[8] = (bytes[8]! & 0x3f) | 0x80
  const hex = Array.from(bytes.slice(0, 16), (byte) => byte.toString(16).padStart(2, '0')).join('')
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}

type Sha1State = [number, number, number, number, number]

/** The Web's own SHA-1 answers later, and only on pages that were served over https. */
function sha1(message: Uint8Array): Uint8Array {
  const padded = new Uint8Array((((message.length + 8) >> 6) << 6) + 64)
  padded.set(message)
  padded[message.length] = 0x80
  const view = new DataView(padded.buffer)
  view.setUint32(padded.length - 4, message.length * 8)
  const state: Sha1State = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0]
  for (let block = 0; block < padded.length; block += 64) {
    const words = new Uint32Array(80)
    for (let i = 0; i < 80; i++)
      words[i] =
        i < 16
          ? view.getUint32(block + i * 4)
          : rotate(words[i - 3]! ^ words[i - 8]! ^ words[i - 14]! ^ words[i - 16]!, 1)
    let [a, b, c, d, e] = state
    for (const [i, word] of words.entries()) {
      const [mix, constant] = round(i, b, c, d)
      const next = (rotate(a, 5) + mix + e + constant + word) | 0
      ;[a, b, c, d, e] = [next, a, rotate(b, 30), c, d]
    }
    for (const [i, value] of [a, b, c, d, e].entries()) state[i] = (state[i]! + value) | 0
  }
  const digest = new DataView(new ArrayBuffer(20))
  state.forEach((value, i) => digest.setUint32(i * 4, value))
  return new Uint8Array(digest.buffer)
}

const rotate = (word: number, bits: number): number => (word << bits) | (word >>> (32 - bits))

function round(i: number, b: number, c: number, d: number): [mix: number, constant: number] {
  if (i < 20) return [(b & c) | (~b & d), 0x5a827999]
  if (i < 40) return [b ^ c ^ d, 0x6ed9eba1]
  if (i < 60) return [(b & c) | (b & d) | (c & d), 0x8f1bbcdc]
  return [b ^ c ^ d, 0xca62c1d6]
}
