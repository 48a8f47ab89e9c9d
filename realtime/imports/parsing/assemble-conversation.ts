// Makes a conversation from the fields and messages that a parser has read.
import { assembleThread } from './assemble-thread.ts'
import { mergeFields } from './field-reader.ts'
import type { Fields } from './foreign-values.ts'
import type { OriginalMessage } from './original-message.ts'
import { toMetadata } from './metadata.ts'
import type { ParsedConversation } from './parsed-item.ts'

export interface OriginalConversation extends Omit<
  ParsedConversation,
  'key' | 'messages' | 'metadata'
> {
  /** Undefined if its source gave it none. */
  key: string | undefined
  originals: readonly OriginalMessage[]
  /** The key of the message that was shown last. */
  current: string | undefined
  /** Every field that the parser didn't understand. */
  rest: Fields
}

export function assembleConversation({
  key,
  originals,
  current,
  rest,
  ...fields
}: OriginalConversation): ParsedConversation {
  const { messages, hidden } = assembleThread(originals, current)
  const unshown = hidden.length > 0 && { hidden_messages: hidden }
  return {
    ...fields,
    key: key ?? `${fields.created_at} ${messages[0]?.key}`,
    metadata: toMetadata({}, mergeFields(['', { ...unshown }], ['original', rest])),
    messages,
  }
}
