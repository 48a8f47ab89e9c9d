// Where a message that is being written goes on. A client's first code does without it.
import { unusedId } from './message-parts.ts'
import type { Part } from './parts.ts'

/**
 * The part in which new text of this type goes on: the last one, unless something that is no text
 * has come after it.
 */
export function openPart(
  parts: readonly Part[],
  type: 'text' | 'reasoning',
): Extract<Part, { type: 'text' | 'reasoning' }> {
  for (let at = parts.length - 1; at >= 0; at--) {
    const part = parts[at]!
    if (part.type === type && 'text' in part) return part
    if (part.type !== 'text' && part.type !== 'reasoning') break
  }
  return { id: unusedId(parts, type), type, text: '' }
}
