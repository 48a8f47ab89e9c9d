// The parts of a message in an encrypted conversation, as everybody without the key sees them: one
// text and one value, whatever the parts are. So their number, order, types, ids and names are as
// unreadable as their texts. No zod here: pages read them too.
import { isEncryptedText } from './encrypted-text.ts'
import { equalJson } from './free-form.ts'
import type { Part } from './parts.ts'

type WithParts = Readonly<{ content: string; parts?: readonly Part[] }>

/**
 * @param content the encrypted text of the message
 * @param all the encrypted JSON of all its parts, the text parts included
 */
export const encryptedParts = (content: string, all: string): Part[] => [
  { id: 'text', type: 'text', text: content },
  { id: 'parts', type: 'data-encrypted', value: all },
]

/** The encrypted JSON of all parts; undefined if the message's parts have another form. */
export function encryptedPartsOf({ content, parts = [] }: WithParts): string | undefined {
  const all = parts.length === 2 && 'value' in parts[1]! ? parts[1].value : undefined
  if (!isEncryptedText(all)) return undefined
  return equalJson(parts, encryptedParts(content, all)) ? all : undefined
}
