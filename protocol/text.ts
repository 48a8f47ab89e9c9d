// Strings as the wire measures them: in characters or bytes, and never cut within a surrogate pair.
import * as limits from './limit-values.ts'

/** Bytes of `text` in UTF-8. */
export function byteLength(text: string): number {
  let bytes = text.length
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    if (unit < 0x80) continue
    bytes += unit < 0x800 ? 1 : 2
    const pair = unit >= 0xd800 && unit < 0xdc00 && (text.charCodeAt(i + 1) & 0xfc00) === 0xdc00
    if (pair) i++ // two units, four bytes
  }
  return bytes
}

/** Whether `text` has at most `max` characters. A longer one isn't read to its end. */
export const hasAtMost = (text: string, max: number): boolean =>
  text.length <= max || (text.length <= 2 * max && Array.from(text).length <= max)

/** The same in bytes. */
export const hasAtMostBytes = (text: string, max: number): boolean =>
  text.length <= max && byteLength(text) <= max

/** The first `max` characters (code points). */
export function firstCharacters(text: string, max: number): string {
  if (text.length <= max) return text
  return Array.from(text.slice(0, max * 2))
    .slice(0, max)
    .join('')
}

/** The longest beginning of `text`, in whole characters, that has at most `max` bytes. */
export function firstBytes(text: string, max: number): string {
  if (byteLength(text) <= max) return text
  let bytes = 0
  let end = 0
  for (const character of text) {
    bytes += byteLength(character)
    if (bytes > max) break
    end += character.length
  }
  return text.slice(0, end)
}

/** The preview of a conversation whose last message has this content. */
export const previewOf = (content: string): string => firstCharacters(content, limits.previewMax)

/** The same, unless the conversation is encrypted: then it has no preview. */
export const previewIn = ({ encryption }: { encryption?: object }, content: string): string =>
  encryption ? '' : previewOf(content)

/** The length of a text without its white space (UTF-16 units). */
export const unitsWithoutSpace = (text: string): number => text.replaceAll(/\s+/g, '').length
