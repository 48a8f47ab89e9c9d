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
import { equalJson } from '../free-form.ts'
import type { Message, MessageInput } from '../message.ts'
import { isConversation, lastPosition, type HeldConversation } from '../reduce/conversation.ts'
import { previewIn } from '../text.ts'
import { mergedMetadata, mergeInputs } from './messages.ts'

/** The title of a conversation that nobody has named. */
export const DEFAULT_TITLE = 'New conversation'

export type ConversationDecision = DecisionOf<'conversations'>

/**
 * The commands whose payload alone decides. The others need more: decide/replies.ts and
 * decide/rewind.ts.
 */
export type DecidedConversationCommand = Exclude<
  keyof ConversationCommands,
  'reply' | 'stop' | 'produce' | 'rewind'
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
  { messages, replaced, removed = [] }: MessageChanges,
  context: DecisionContext,
): ConversationDecision | undefined {
  const written = messages.length + removed.length
  if (written === 0 && Object.keys(fields).length === 0) return undefined
  const ids = new Set(messages.map(({ id }) => id))
  const back = (conversation.removed ?? []).filter(({ id }) => ids.has(id))
  const end = lastPosition(conversation)
  const last = Math.max(end, messages.at(-1)?.position ?? 0)
  const { message_count, removed_count, preview, updated_at } = conversation
  const removedNow = (removed_count ?? 0) + removed.length - back.length
  const data: ConversationChanges['updated'] = {
    ...fields,
    ...(messages.length > 0 && { messages }),
    ...(removed.length > 0 && { removed_messages: removed.map(({ id }) => id) }),
    message_count: last - removedNow,
    ...(removed.length + back.length > 0 && { removed_count: removedNow }),
    preview: previewAfter(conversation, { messages, removed }),
    updated_at: fields.title !== undefined || written > 0 ? context.at : updated_at,
  }
  const before = {
    ...replacedFields(conversation, fields),
    messages: [...replaced, ...removed],
    ...(back.length > 0 && { removed: back }),
    message_count,
    ...(removed_count !== undefined && { removed_count }),
    preview,
    updated_at,
  }
  return { op: 'updated', ...next(conversation), data, before }
}

/** What a change does to messages. Each list is ordered by position. */
export interface MessageChanges {
  /** New and edited ones, and those that come back. */
  messages: Message[]
  /** The former versions of the edited ones. */
  replaced: Message[]
  /** The ones that are deleted. */
  removed?: Message[]
}

/** `held` has the last message, and the last one that isn't deleted by this change. */
function previewAfter(
  conversation: Conversation,
  { messages, removed }: Required<Omit<MessageChanges, 'replaced'>>,
): string {
  const gone = new Set(removed.map(({ id }) => id))
  const left = conversation.messages.findLast(({ id }) => !gone.has(id))
  const written = messages.at(-1)
  if (written && isLast(conversation, written, left))
    return previewIn(conversation, written.content)
  return removed.length === 0 ? conversation.preview : previewIn(conversation, left?.content ?? '')
}

/** Whether no message comes after this one. `last` is the newest of the messages that are held. */
export const isLast = (
  conversation: Conversation,
  { position }: Message,
  last = conversation.messages.at(-1),
): boolean =>
  conversation.removed_count
    ? position >= (last?.position ?? 0)
    : position >= conversation.message_count

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

/** A reply that is being written can be deleted too: its producer then finds it gone and ends. */
const deleteMessages: DecideConversation<'delete_messages'> = (held, command, context) => {
  const conversation = live(held)
  const ids = new Set(command.message_ids)
  const removed = conversation.messages.filter(({ id }) => ids.has(id))
  const known = new Set([...removed, ...(conversation.removed ?? [])].map(({ id }) => id))
  if (command.message_ids.some((id) => !known.has(id)))
    throw new Fault('not_found', { detail: 'There is no such message' })
  return updated(conversation, {}, { messages: [], replaced: [], removed }, context)
}

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
} = {
  create,
  update,
  append,
  delete: remove,
  delete_messages: deleteMessages,
  restore,
  purge,
}

/** A conversation without its messages. */
export function summaryOf(conversation: Conversation): Summary {
  const { messages: _messages, removed: _removed, has_more: _hasMore, ...summary } = conversation
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
