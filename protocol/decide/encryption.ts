// Pure: what may be written in a conversation whose key only its clients have. The invariant: its
// title, contents, metadata and drafts are encrypted, so nobody posts a plain text by mistake. In
// other conversations the larger limits of encrypted texts don't count.
import type { ConversationFields, Summary } from '../conversations.ts'
import { isEncryptedText, mustBeEncrypted } from '../encrypted-text.ts'
import { Fault } from '../errors.ts'
import type { JsonObject } from '../free-form.ts'
import { limits } from '../limits.ts'
import type { Message } from '../message.ts'
import type { Part } from '../parts.ts'
import { firstCharacters, previewOf } from '../text.ts'

/** The only key in the metadata of an encrypted conversation and of its messages. */
export const ENCRYPTED_METADATA = 'encrypted'

/** The only type in an encrypted message beside `text`: its value is the JSON of the part. */
const ENCRYPTED_PART = 'data-encrypted'

type Marked = Pick<Summary, 'encryption'>

/** The preview of a conversation with this last message: an encrypted one has none. */
export const previewIn = ({ encryption }: Marked, content: string): string =>
  encryption ? '' : previewOf(content)

/** Throws `invalid` for a text that isn't as its conversation says, and `too_large`. */
export function checkTexts(
  { encryption }: Marked,
  { title, metadata }: Pick<ConversationFields, 'title' | 'metadata'>,
  messages: readonly Pick<Message, 'content' | 'metadata' | 'parts'>[],
): void {
  if (encryption) {
    if (title !== undefined && !isEncryptedText(title)) throw mustBeEncrypted('title')
    if (metadata && !isEncryptedMetadata(metadata)) throw mustBeEncrypted('metadata')
    for (const [index, message] of messages.entries()) {
      if (!isEncryptedText(message.content)) throw mustBeEncrypted(`messages.${index}.content`)
      if (!isEncryptedMetadata(message.metadata))
        throw mustBeEncrypted(`messages.${index}.metadata`)
      if (message.parts && !message.parts.every(isEncryptedPart))
        throw mustBeEncrypted(`messages.${index}.parts`)
    }
    return
  }
  // Only a text of the encrypted form can have come so far with more.
  if (title !== undefined && firstCharacters(title, limits.titleMax) !== title) {
    const message = `must have at most ${limits.titleMax} characters`
    throw new Fault('invalid', {
      detail: `title ${message}`,
      issues: [{ path: 'title', message }],
    })
  }
  if (messages.some(({ content }) => content.length > limits.messageBytes))
    throw new Fault('too_large', {
      detail: `must have at most ${limits.messageBytes} bytes`,
      limit_bytes: limits.messageBytes,
    })
}

/** A text, or what stands for a part of another type. */
const isEncryptedPart = (part: Part): boolean =>
  part.type === 'text' && 'text' in part
    ? isEncryptedText(part.text)
    : part.type === ENCRYPTED_PART && 'value' in part && isEncryptedText(part.value)

/** An object or a merge patch with nothing that can be read. */
const isEncryptedMetadata = (metadata: JsonObject): boolean =>
  Object.entries(metadata).every(
    ([name, value]) => name === ENCRYPTED_METADATA && (value === null || isEncryptedText(value)),
  )
