// Makes a conversation of what a parser has read of it.
import { assembleThread } from './assemble-thread.ts'
import { mergeFields } from './field-reader.ts'
import type { Fields } from './foreign-values.ts'
import type { MessageDraft } from './message-draft.ts'
import { toMetadata } from './metadata.ts'
import type { ParsedConversation } from './parsed-item.ts'

export interface ConversationDraft extends Omit<
  ParsedConversation,
  'key' | 'messages' | 'metadata'
> {
  /** Undefined if its source gave it none. */
  key: string | undefined
  drafts: readonly MessageDraft[]
  /** The key of the message that was shown last. */
  current: string | undefined
  /** Every field that the parser didn't understand. */
  rest: Fields
}

export function assembleConversation({
  key,
  drafts,
  current,
  rest,
  ...fields
}: ConversationDraft): ParsedConversation {
  const { messages, hidden } = assembleThread(drafts, current)
  const unshown = hidden.length > 0 && { hidden_messages: hidden }
  return {
    ...fields,
    key: key ?? `${fields.created_at} ${messages[0]?.key}`,
    metadata: toMetadata({}, mergeFields(['', { ...unshown }], ['original', rest])),
    messages,
  }
}
