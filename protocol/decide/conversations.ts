// Pure: conversation + command -> change, or undefined when nothing would change, or a Fault. The
// server decides with it before it appends. Clients use it to show the effect of commands that the
// server has not answered yet.
//
// `held` must contain the messages that the command names (`namedMessages`). On the server it may
// lack others.
import type { DecisionContext, DecisionOf } from '../change.ts'
import type {
  Conversation,
  ConversationChanges,
  ConversationCommands,
  ConversationFields,
  Summary,
} from '../conversations.ts'
import { Fault } from '../errors.ts'
import {
  equalJson,
  exceedsFreeForm,
  exceedsMetadata,
  mergePatch,
  type JsonObject,
} from '../free-form.ts'
import { limits } from '../limits.ts'
import type { Message, MessageInput } from '../message.ts'
import { compose, partsOf, replaceTexts } from '../message-parts.ts'
import { exceededBy, type Composed } from '../part-texts.ts'
import type { Part } from '../parts.ts'
import { isConversation, type HeldConversation } from '../reduce/conversation.ts'
import { previewIn } from '../text.ts'

/** The title of a conversation that nobody has named. */
export const DEFAULT_TITLE = 'New conversation'

export type ConversationDecision = DecisionOf<'conversations'>

/**
 * The commands whose payload alone decides. The others need more: decide/replies.ts and
 * decide/rewind.ts.
 */
export type DecidedConversationCommand = Exclude<
  keyof ConversationCommands,
  'reply' | 'stop' | 'rewind'
>
export type DecideConversation<Name extends DecidedConversationCommand> = (
  held: HeldConversation,
  command: ConversationCommands[Name],
  context: DecisionContext,
) => ConversationDecision | undefined

/**
 * Ids of the messages that a command edits or that its new messages replace or follow. An id may
 * also be that of a new message.
 */
export function namedMessages(inputs: readonly MessageInput[] = []): string[] {
  return [
    ...new Set(
      inputs.flatMap(({ id, replaces, follows }) =>
        [id, replaces, follows].filter((name) => typeof name === 'string'),
      ),
    ),
  ]
}

const create: DecideConversation<'create'> = (held, command, context) => {
  if (isConversation(held) && held.deleted_at === null) return undefined
  if (held)
    throw new Fault('id_taken', {
      detail: 'A conversation with this id has been deleted: use another id',
    })
  const id = command.id ?? context.newId()
  const { encryption } = command
  const blank: Conversation = {
    id,
    user_id: context.user_id,
    title: command.title ?? DEFAULT_TITLE,
    message_count: 0,
    preview: '',
    metadata: mergedMetadata({}, command.metadata ?? {}),
    pinned: false,
    archived: false,
    created_at: context.at,
    updated_at: context.at,
    deleted_at: null,
    version: 1,
    ...(encryption && { encryption }),
    messages: [],
    has_more: false,
  }
  const { messages } = mergeInputs(blank, command.messages ?? [], context)
  const created = {
    ...blank,
    messages,
    message_count: messages.length,
    preview: previewIn(blank, messages.at(-1)?.content ?? ''),
  }
  return { op: 'created', entity_id: id, version: 1, data: created }
}

const update: DecideConversation<'update'> = (held, command, context) => {
  const conversation = live(held)
  if (command.if_version !== undefined && command.if_version !== conversation.version)
    throw new Fault('version_conflict')
  const { messages, replaced } = mergeInputs(conversation, command.messages ?? [], context)
  return updated(
    conversation,
    changedFields(conversation, command),
    { messages, replaced },
    context,
  )
}

/**
 * The change that gives a conversation these fields and messages. `replaced` are the former
 * versions of edited messages. undefined: there is nothing to change.
 */
export function updated(
  conversation: Conversation,
  fields: ConversationFields,
  { messages, replaced }: { messages: Message[]; replaced: Message[] },
  context: DecisionContext,
): ConversationDecision | undefined {
  if (messages.length === 0 && Object.keys(fields).length === 0) return undefined
  const last = messages.findLast(({ position }) => position >= conversation.message_count)
  const data: ConversationChanges['updated'] = {
    ...fields,
    ...(messages.length > 0 && { messages }),
    message_count: Math.max(conversation.message_count, last?.position ?? 0),
    preview: last ? previewIn(conversation, last.content) : conversation.preview,
    updated_at:
      fields.title !== undefined || messages.length > 0 ? context.at : conversation.updated_at,
  }
  const { message_count, preview, updated_at } = conversation
  const before = {
    ...replacedFields(conversation, fields),
    messages: replaced,
    message_count,
    preview,
    updated_at,
  }
  return { op: 'updated', ...next(conversation), data, before }
}

/**
 * The id of a message is its idempotency key: a known id means that the message has been appended
 * before.
 */
const append: DecideConversation<'append'> = (held, command, context) => {
  const conversation = live(held)
  const known = new Set(conversation.messages.map(({ id }) => id))
  const messages = messagesOf(command).filter(({ id }) => id === undefined || !known.has(id))
  return update(conversation, { conversation_id: conversation.id, messages }, context)
}

/** The messages in a command: `append` may have a single one. */
export const messagesOf = ({
  message,
  messages = [],
}: {
  conversation_id?: string
  message?: MessageInput
  messages?: MessageInput[]
}): MessageInput[] => (message ? [message] : messages)

const remove: DecideConversation<'delete'> = (held, _command, context) => {
  const conversation = existing(held)
  if (conversation.deleted_at !== null) return undefined
  const data = { deleted_at: context.at }
  return { op: 'deleted', ...next(conversation), data, before: { deleted_at: null } }
}

const restore: DecideConversation<'restore'> = (held) => {
  const conversation = existing(held)
  if (conversation.deleted_at === null) return undefined
  const restored: Summary = {
    ...summaryOf(conversation),
    deleted_at: null,
    version: conversation.version + 1,
  }
  const before = { deleted_at: conversation.deleted_at }
  return { op: 'restored', ...next(conversation), data: restored, before }
}

const purge: DecideConversation<'purge'> = (held) => ({
  op: 'purged',
  ...next(existing(held)),
  data: {},
  before: {},
})

/** How each command becomes a change. */
export const decideConversations: {
  [Name in DecidedConversationCommand]: DecideConversation<Name>
} = { create, update, append, delete: remove, restore, purge }

/** A conversation without its messages. */
export function summaryOf(conversation: Conversation): Summary {
  const { messages: _messages, has_more: _hasMore, ...summary } = conversation
  return summary
}

/** Throws `not_found` for a conversation that was purged or never existed. */
export function existing(held: HeldConversation): Conversation {
  if (!isConversation(held))
    throw new Fault('not_found', { detail: 'There is no such conversation' })
  return held
}

/** Throws `not_found` for a conversation that doesn't exist or is in the trash. */
export function live(held: HeldConversation): Conversation {
  const conversation = existing(held)
  if (conversation.deleted_at !== null)
    throw new Fault('not_found', { detail: 'This conversation is in the trash' })
  return conversation
}

/** The entity of a conversation's next change, and the version that the change gives it. */
export const next = ({ id, version }: Summary) => ({ entity_id: id, version: version + 1 })

/** The present values of the fields that change. */
function replacedFields(
  { title, metadata, pinned, archived }: Conversation,
  fields: ConversationFields,
): ConversationFields {
  return {
    ...('title' in fields && { title }),
    ...('metadata' in fields && { metadata }),
    ...('pinned' in fields && { pinned }),
    ...('archived' in fields && { archived }),
  }
}

/** The fields of the command whose value differs from the present one. */
function changedFields(
  conversation: Conversation,
  command: ConversationCommands['update'],
): ConversationFields {
  const fields: ConversationFields = {}
  if (command.title !== undefined && command.title !== conversation.title)
    fields.title = command.title
  if (command.pinned !== undefined && command.pinned !== conversation.pinned)
    fields.pinned = command.pinned
  if (command.archived !== undefined && command.archived !== conversation.archived)
    fields.archived = command.archived
  if (command.metadata !== undefined) {
    const metadata = mergedMetadata(conversation.metadata, command.metadata)
    if (!equalJson(metadata, conversation.metadata)) fields.metadata = metadata
  }
  return fields
}

/**
 * Stored metadata never contains null, because RFC 7396 can't tell it from an absent key. So a
 * client can PUT back what it got by GET.
 */
function mergedMetadata(
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
function mergeInputs(
  conversation: Conversation,
  inputs: readonly MessageInput[],
  context: DecisionContext,
) {
  const known = new Map(conversation.messages.map((message) => [message.id, message]))
  const messages: Message[] = []
  const replaced: Message[] = []
  let position = conversation.message_count
  for (const [index, input] of inputs.entries()) {
    const present = input.id === undefined ? undefined : known.get(input.id)
    if (present) {
      const edited = edit(present, input, context)
      if (!edited) continue
      messages.push(edited)
      replaced.push(present)
    } else {
      for (const name of ['replaces', 'follows'] as const) {
        const named = input[name]
        if (named && !known.has(named))
          throw invalid(`messages.${index}.${name}`, 'must name a message of this conversation')
      }
      if (input.replaces && input.follows)
        throw invalid(`messages.${index}.follows`, 'must be absent if the message replaces another')
      const added = addition(input, ++position, context)
      known.set(added.id, added)
      messages.push(added)
    }
  }
  if (position > conversation.message_count) checkLength(position)
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
