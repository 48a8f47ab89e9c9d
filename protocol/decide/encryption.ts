// Pure: what may be written in a conversation whose key only its clients have. The invariant: its
// title, contents, metadata and drafts are encrypted, so nobody posts a plain text by mistake. In
// other conversations the larger limits of encrypted texts don't count. Only the server checks
// this, so that pages don't load it.
import {
  UNFINISHED,
  type Conversation,
  type ConversationFields,
  type Summary,
} from '../conversations.ts'
import { encryptedPartsOf } from '../encrypted-parts.ts'
import { ENCRYPTED_METADATA, isEncryptedText, mustBeEncrypted } from '../encrypted-text.ts'
import { Fault } from '../errors.ts'
import type { JsonObject } from '../free-form.ts'
import * as limits from '../limit-values.ts'
import type { Message } from '../message.ts'
import { firstCharacters } from '../text.ts'
import { DEFAULT_TITLE, type ConversationDecision } from './conversations.ts'

type Marked = Pick<Summary, 'encryption'>

/**
 * Throws `invalid` or `too_large` for a decision to write what the conversation doesn't take.
 * @param held the conversation before the decision; undefined if the decision creates it
 */
export function checkDecision(
  held: Marked | undefined,
  decision: ConversationDecision,
  user_id: string,
): void {
  if (decision.op === 'created') {
    const { encryption, title, metadata, messages }: Conversation = decision.data
    if (encryption && encryption.owner !== user_id) {
      const issue = { path: 'encryption.owner', message: 'must be the user who makes it' }
      throw new Fault('invalid', { detail: `${issue.path} ${issue.message}`, issues: [issue] })
    }
    checkTexts({ encryption }, { title, metadata }, messages)
  } else if (decision.op === 'updated') {
    const { messages = [], ...fields } = decision.data
    checkTexts(held ?? {}, fields, messages)
  }
}

/** Throws `invalid` for a text that isn't as its conversation says, and `too_large`. */
export function checkTexts(
  { encryption }: Marked,
  { title, metadata }: Pick<ConversationFields, 'title' | 'metadata'>,
  messages: readonly Pick<Message, 'content' | 'metadata' | 'parts'>[],
): void {
  if (encryption) {
    if (title !== undefined && title !== DEFAULT_TITLE && !isEncryptedText(title))
      throw mustBeEncrypted('title')
    if (metadata && !isEncryptedMetadata(metadata)) throw mustBeEncrypted('metadata')
    for (const [index, message] of messages.entries()) {
      if (!isEncryptedText(message.content)) throw mustBeEncrypted(`messages.${index}.content`)
      if (!isEncryptedMetadata(message.metadata))
        throw mustBeEncrypted(`messages.${index}.metadata`)
      if (message.parts && encryptedPartsOf(message) === undefined)
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

/** An object with nothing that can be read but the mark of an import. */
const isEncryptedMetadata = (metadata: JsonObject): boolean =>
  Object.entries(metadata).every(
    ([name, value]) =>
      name === UNFINISHED || (name === ENCRYPTED_METADATA && isEncryptedText(value)),
  )
