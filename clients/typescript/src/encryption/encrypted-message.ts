// Encrypts messages on their way to the server and decrypts them on their way back. The parts of a
// message leave the device as one text, which hides their number and their types from everybody
// without the key. The server can't check encrypted parts, so this device checks them.
import { encryptedParts } from '@lockstep/protocol/encrypted-parts'
import { Fault } from '@lockstep/protocol/errors'
import { mergePatch, type JsonObject } from '@lockstep/protocol/free-form'
import type { Message, MessageInput } from '@lockstep/protocol/message'
import { compose, partsOf, replaceTexts } from '@lockstep/protocol/message-parts'
import { contentOf, exceededBy, type Composed } from '@lockstep/protocol/part-texts'
import { areParts } from '@lockstep/protocol/part-shape'
import type { Part } from '@lockstep/protocol/parts'
import type { TextField } from './passphrase-crypto.ts'

type Input = MessageInput & { id: string }

/** What encrypts the texts of an unlocked conversation. */
interface Keys {
  encrypt(id: string, subject: string, field: TextField, text: string): Promise<string>
  encryptMetadata(id: string, subject: string, metadata: JsonObject): Promise<JsonObject>
}

/**
 * The message as it is sent. Throws Fault for parts that no message may have, and while the
 * conversation is locked.
 * @param present the message before an edit, as this device shows it
 */
export async function encryptMessage(
  keys: Keys,
  conversation_id: string,
  message: Input,
  present?: Message,
): Promise<Input> {
  const { id } = message
  const { content, metadata, parts } = plainTexts(message, present)
  const encrypted = await keys.encrypt(conversation_id, id, 'content', content)
  const { parts: _parts, metadata: _metadata, ...rest } = message
  return {
    ...rest,
    content: encrypted,
    ...(metadata && { metadata: await keys.encryptMetadata(conversation_id, id, metadata) }),
    ...(parts && {
      parts: encryptedParts(
        encrypted,
        await keys.encrypt(conversation_id, id, 'parts', JSON.stringify(parts)),
      ),
    }),
  }
}

/** Without `metadata`, an edit leaves it as it is. */
function plainTexts(
  message: Input,
  present: Message | undefined,
): { content: string; metadata?: JsonObject; parts?: readonly Part[] } {
  const { content, metadata: patch } = message
  const metadata = patch || !present ? mergePatch(present?.metadata ?? {}, patch ?? {}) : undefined
  if (message.parts) {
    const texts = { content: contentOf(message.parts), metadata: {}, parts: message.parts }
    const limit_bytes = exceededBy(texts)
    if (limit_bytes)
      throw new Fault('too_large', {
        detail: 'The parts of the message are too large',
        limit_bytes,
      })
    const parts = readParts(JSON.stringify(message.parts))
    if (!parts || (content !== undefined && content !== contentOf(parts)))
      throw new Fault('invalid', { detail: 'The parts are not as the API describes them' })
    const { thinking: _thinking, ...others } = metadata ?? {}
    return { content: contentOf(parts), parts, ...(metadata && { metadata: others }) }
  }
  if (content === undefined)
    throw new Fault('invalid', { detail: 'A message must have content or parts' })
  const parts = present?.parts && replaceTexts(partsOf(present), 'text', content)
  return { content, metadata, ...(parts && { parts }) }
}

/** Undefined: it isn't the JSON of parts, so a client that has the key has made something else. */
export function readParts(json: string): Part[] | undefined {
  try {
    const parts: unknown = JSON.parse(json)
    return areParts(parts) ? parts : undefined
  } catch {
    return undefined
  }
}

/**
 * The decrypted texts of a message. A client that doesn't know parts may have edited `content`
 * alone: it is then the only text part.
 */
export function composed({ content, metadata }: Composed, parts: readonly Part[]): Composed {
  const isCurrent = contentOf(parts) === content
  return compose(metadata, isCurrent ? parts : replaceTexts(parts, 'text', content))
}
