// The title that a chat gets from its first message.
import { firstCharacters } from '@lockstep/protocol/text'

export function titleOf(content: string): string {
  const line = content.split('\n').find((text) => text.trim() !== '') ?? ''
  const plain = line.replace(/^[#>\s*-]+/, '').trim() || line.trim()
  const short = firstCharacters(plain, 60)
  return short.length < plain.length ? `${short.trimEnd()}…` : short
}
