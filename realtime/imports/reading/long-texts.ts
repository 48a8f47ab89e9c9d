// Splits a text that is too long for one message over several messages. Pictures in the text are
// left out first, because nobody can read them. The rest goes on in further messages, so that none
// of it is lost.
import { fitsMessage } from '@lockstep/protocol/encrypted-text'
import { limits } from '@lockstep/protocol/limits'

export interface FittedText {
  /** At least one. Together they are the text without what is left out. */
  pieces: string[]
  /** What is left out. */
  lost: string[]
}

/** A shorter picture may be an icon, which does no harm (UTF-16 units). */
const MIN_PICTURE_LENGTH = 2_000
/** More types than this are only counted. */
const MAX_TYPES = 10
/** How far before its limit a piece may end, so that it ends with a line or a word (units). */
const LINE_WINDOW = 8_000
const WORD_WINDOW = 200

export function fitText(text: string): FittedText {
  if (fitsMessage(text)) return { pieces: [text], lost: [] }
  const left = new Map<string, { count: number; length: number }>()
  const written = text.replaceAll(
    /data:([\w.+-]{1,60}\/[\w.+-]{1,60})[\w;=.+-]{0,200},[\w+/=%-]+/g,
    (picture, type: string) => {
      if (picture.length < MIN_PICTURE_LENGTH) return picture
      const { count, length } = left.get(type) ?? { count: 0, length: 0 }
      left.set(type, { count: count + 1, length: length + picture.length })
      return `data:${type},`
    },
  )
  const lost = [...left].map(
    ([type, { count, length }]) => `${count} × ${type} in the content (text), ${length} characters`,
  )
  return {
    pieces: cut(written),
    lost: lost.length > MAX_TYPES ? [`files of ${lost.length} types in the content (text)`] : lost,
  }
}

function cut(text: string): string[] {
  const pieces: string[] = []
  const encoder = new TextEncoder()
  const scratch = new Uint8Array(limits.messageBytes)
  for (let at = 0; at < text.length;) {
    // it never splits a character
    const { read } = encoder.encodeInto(text.slice(at, at + limits.messageBytes), scratch)
    const end = at + read < text.length ? boundaryBefore(text, at, at + read) : text.length
    const piece = text.slice(at, end)
    if (piece.trim() !== '') pieces.push(piece)
    at = end
  }
  return pieces.length > 0 ? pieces : ['']
}

/** Where a piece ends at best: with a line, a word, or a character as people see it. */
function boundaryBefore(text: string, from: number, most: number): number {
  const line = text.lastIndexOf('\n', most - 1) + 1
  if (line > Math.max(from, most - LINE_WINDOW)) return line
  const word = text.lastIndexOf(' ', most - 1) + 1
  if (word > Math.max(from, most - WORD_WINDOW)) return word
  const start = Math.max(from, most - WORD_WINDOW)
  const around = text.slice(start, most + WORD_WINDOW)
  let end = 0
  for (const { index } of new Intl.Segmenter().segment(around))
    if (start + index <= most) end = start + index
  return end > from ? end : most
}
