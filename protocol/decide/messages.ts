// Pure: how the messages of a request merge with those of a conversation, by id. A message with a
// known id is edited, one with an unknown id is appended, and a deleted one stays deleted.
import type { DecisionContext } from '../change.ts'
import type { Conversation } from '../conversations.ts'
import { Fault } from '../errors.ts'
import {
  equalJson,
  exceedsFreeForm,
  exceedsMetadata,
  mergePatch,
  type JsonObject,
} from '../free-form.ts'
import * as limits from '../limit-values.ts'
import type { Message, MessageInput } from '../message.ts'
import { compose, partsOf, replaceTexts } from '../message-parts.ts'
import { exceededBy, type Composed } from '../part-texts.ts'
import type { Part } from '../parts.ts'
import { lastPosition } from '../reduce/conversation.ts'

/**
 * Stored metadata never contains null, because RFC 7396 can't tell it from an absent key. So a
 * client can PUT back what it got by GET.
 */
export function mergedMetadata(
  present: JsonObject,
  patch: JsonObject,
  exceeds = exceedsFreeForm,
): JsonObject {
  const merged = mergePatch(present, patch)
  if (exceeds(merged))
    throw new Fault('too_large', {
      detail: 'The metadata would become too large',
      limit_bytes: limits.freeFormBytes,
    })
  return merged
}

/**
 * Merges messages by id. `messages` are the new and edited ones, ordered by position; `replaced`
 * are the former versions of the edited ones.
 */
export function mergeInputs(
  conversation: Conversation,
  inputs: readonly MessageInput[],
  context: DecisionContext,
) {
  const known = new Map(conversation.messages.map((message) => [message.id, message]))
  const deleted = new Set(conversation.removed?.map(({ id }) => id))
  const messages: Message[] = []
  const replaced: Message[] = []
  let position = lastPosition(conversation)
  for (const [index, input] of inputs.entries()) {
    if (input.id !== undefined && deleted.has(input.id)) continue
    const present = input.id === undefined ? undefined : known.get(input.id)
    if (present) {
      const edited = edit(present, input, context)
      if (!edited) continue
      messages.push(edited)
      replaced.push(present)
    } else {
      for (const name of ['replaces', 'follows'] as const) {
        const named = input[name]
        if (named && !known.has(named) && !deleted.has(named))
          throw invalid(`messages.${index}.${name}`, 'must name a message of this conversation')
      }
      if (input.replaces && input.follows)
        throw invalid(`messages.${index}.follows`, 'must be absent if the message replaces another')
      const added = addition(input, ++position, context)
      known.set(added.id, added)
      messages.push(added)
    }
  }
  if (position > lastPosition(conversation)) checkLength(position)
  messages.sort((a, b) => a.position - b.position)
  return { messages, replaced }
}

/** Throws `invalid` when a conversation would have more messages than allowed. */
export function checkLength(message_count: number): void {
  if (message_count > limits.messagesPerConversation)
    throw invalid(
      'messages',
      `a conversation has at most ${limits.messagesPerConversation} messages`,
    )
}

const invalid = (path: string, message: string) =>
  new Fault('invalid', { detail: message, issues: [{ path, message }] })

function addition(input: MessageInput, position: number, context: DecisionContext): Message {
  if (input.status === 'streaming')
    throw invalid('status', 'a reply streams only when the server writes it')
  const { metadata, ...texts } = composed(undefined, input)
  return {
    id: input.id ?? context.newId(),
    role: input.role,
    ...texts,
    position,
    version: 1,
    status: input.status ?? 'complete',
    replaces: input.replaces ?? null,
    ...(input.follows && { follows: input.follows }),
    created_at: input.created_at ?? context.at,
    updated_at: context.at,
    metadata,
  }
}

/**
 * What an input makes of a message, which is undefined if it is new. Content alone replaces the
 * text parts, and thinking alone the reasoning parts.
 */
function composed(present: Message | undefined, input: MessageInput): Composed {
  const former = present?.metadata ?? {}
  const metadata = input.metadata ? mergedMetadata(former, input.metadata, exceedsMetadata) : former
  const result = compose(metadata, input.parts ?? partsAfter(present, input, metadata))
  const limit_bytes = exceededBy(result)
  if (limit_bytes)
    throw new Fault('too_large', { detail: 'The message would become too large', limit_bytes })
  return result
}

function partsAfter(
  present: Message | undefined,
  { content }: MessageInput,
  metadata: JsonObject,
): readonly Part[] {
  if (!present) return partsOf({ content: content ?? '', metadata })
  let parts = partsOf(present)
  if (content !== undefined && content !== present.content)
    parts = replaceTexts(parts, 'text', content)
  const { thinking } = metadata
  if (thinking !== present.metadata.thinking)
    parts = replaceTexts(parts, 'reasoning', typeof thinking === 'string' ? thinking : '')
  return parts
}

/**
 * The edited message; undefined when the input is a stale or an equal copy, or when the message is
 * streaming: only its producer writes it then.
 */
function edit(
  present: Message,
  input: MessageInput,
  context: DecisionContext,
): Message | undefined {
  if (present.status === 'streaming') return undefined
  if (input.version !== undefined && input.version !== present.version) return undefined
  const { parts: _former, ...rest } = present
  const texts = composed(present, input)
  const hasSameTexts =
    texts.content === present.content && equalJson(texts.parts ?? [], present.parts ?? [])
  if (input.version === undefined && hasSameTexts) return undefined
  const status = input.status ?? present.status
  if (status === 'streaming')
    throw invalid('status', 'a reply streams only when the server writes it')
  if (hasSameTexts && status === present.status && equalJson(texts.metadata, present.metadata))
    return undefined
  return { ...rest, ...texts, status, version: present.version + 1, updated_at: context.at }
}
