// Messages as documents, one each, so that the cost of an append doesn't grow with the
// conversation. Only the projector writes them.
import type { Link } from '@lockstep/protocol/branch'
import { limits } from '@lockstep/protocol/limits'
import type { Message, MessageStatus } from '@lockstep/protocol/message'
import { whole } from '@lockstep/protocol/message-parts'
import { byteLength } from '@lockstep/protocol/text'
import type { Database } from './database.ts'
import type { MessageDocument } from './documents.ts'
import { eraseDeleted } from './erasure.ts'
import { writeGuarded } from './guarded-writes.ts'
import { packParts, unpackParts } from './packed-parts.ts'
import { readPage } from './paging.ts'
import { idsFilter, idFilter, idIndexHint } from './shard-key.ts'
import { findSealedText } from './sealing/find-sealed-text.ts'
import type { TimeBudget } from './time-budget.ts'

export function toMessage({
  _id,
  role,
  content,
  position,
  version,
  status,
  replaces,
  follows,
  created_at,
  updated_at,
  metadata,
  parts,
}: MessageDocument): Message {
  return whole({
    id: _id.slice(_id.lastIndexOf(':') + 1),
    role,
    content,
    ...(parts !== undefined && { parts: unpackParts(parts) }),
    position,
    version,
    status,
    replaces,
    ...(follows !== undefined && { follows }),
    created_at: created_at.toISOString(),
    updated_at: updated_at.toISOString(),
    metadata,
  })
}

/** The conversation that a message belongs to. */
interface MessageHome {
  user_id: string
  conversation_id: string
}

/** Identifies one message among all messages in the database. */
interface MessageName extends MessageHome {
  id: string
}

const messageKey = ({ user_id, conversation_id, id }: MessageName): string =>
  `${user_id}:${conversation_id}:${id}`

/** Reads messages of any conversations. */
export const readMessages = (
  { messages }: Database,
  wanted: readonly MessageName[],
): Promise<MessageDocument[]> => messages.find(idsFilter(wanted.map(messageKey))).toArray()

/** The ids of a conversation's messages. */
export async function readMessageIds(
  { messages }: Database,
  user_id: string,
  conversation_id: string,
): Promise<string[]> {
  const prefix = `${user_id}:${conversation_id}`
  const found = messages
    .find({ user_id, _id: { $gt: `${prefix}:`, $lt: `${prefix};` } }, idIndexHint)
    .project<{ _id: string }>({ _id: 1 })
  return (await found.toArray()).map(({ _id }) => _id.slice(prefix.length + 1))
}

/** One page of the newest messages, or of those before a position, in order of position. */
export async function readWindow(
  { messages }: Database,
  user_id: string,
  conversation_id: string,
  { before, limit }: { before?: number; limit: number },
): Promise<MessageDocument[]> {
  const position = before === undefined ? { $gte: 1 } : { $lt: before }
  const newest = messages.find({ user_id, conversation_id, position }).sort({ position: -1 })
  return (await readPage(newest, limit)).items.reverse()
}

/**
 * The messages above a position of each conversation, by conversation and in order of position.
 * undefined: they are more than `limits.answerBytes`.
 */
export async function readNewest(
  { messages }: Database,
  user_id: string,
  wanted: readonly { conversation_id: string; after: number }[],
): Promise<Map<string, MessageDocument[]> | undefined> {
  const found = new Map<string, MessageDocument[]>()
  let bytes = 0
  // the user id in each branch lets each branch use an index
  const branches = wanted.map(({ conversation_id, after }) => ({
    ...{ user_id, conversation_id, position: { $gt: after } },
  }))
  for await (const message of messages.find({ $or: branches })) {
    bytes += byteLength(JSON.stringify(message))
    if (bytes > limits.answerBytes) return undefined
    const { conversation_id } = message
    found.set(conversation_id, [...(found.get(conversation_id) ?? []), message])
  }
  for (const ofOne of found.values()) ofOne.sort((a, b) => a.position - b.position)
  return found
}

/** Content that is decoded in one turn of the event loop (UTF-16 units), about. */
const TURN_LENGTH = 512 * 1024

/** Messages in (after, upTo], in order of position: at least one, if there is one. */
export async function readMessagesInRange(
  { messages }: Database,
  user_id: string,
  conversation_id: string,
  { after, upTo, limit }: { after: number; upTo: number; limit: number },
): Promise<Message[]> {
  const found = messages
    .find({ user_id, conversation_id, position: { $gt: after, $lte: upTo } })
    .sort({ position: 1 })
    .limit(limit)
  const read: Message[] = []
  let length = 0
  for await (const document of found) {
    read.push(toMessage(document))
    length += String(document.content).length // `lockstep audit` reads damaged documents too
    if (length > TURN_LENGTH) break
  }
  return read
}

/** The messages of a conversation without their content, in order of position. */
export async function readLinks(
  { messages }: Database,
  user_id: string,
  conversation_id: string,
): Promise<Link[]> {
  const found = await messages
    .find({ user_id, conversation_id, position: { $gte: 1 } })
    .sort({ position: 1 })
    .project<Pick<MessageDocument, '_id' | 'position' | 'replaces' | 'follows'>>({
      position: 1,
      replaces: 1,
      follows: 1,
    })
    .toArray()
  return found.map(({ _id, ...link }) => ({ id: _id.slice(_id.lastIndexOf(':') + 1), ...link }))
}

/** A message as of change `seq`. */
export interface MessageWrite extends MessageHome {
  message: Message
  seq: number
}

/** Writes each message, unless a newer one is stored. */
export const writeMessages = (
  { messages }: Database,
  written: readonly MessageWrite[],
): Promise<void> =>
  writeGuarded(
    messages,
    written.map(({ user_id, conversation_id, message, seq }) => {
      const { id, created_at, updated_at, parts, ...rest } = message
      const packed = parts && { parts: packParts(parts) }
      const times = { created_at: new Date(created_at), updated_at: new Date(updated_at) }
      return {
        filter: {
          ...idFilter(messageKey({ user_id, conversation_id, id })),
          seq: { $lt: seq },
        },
        replacement: { user_id, conversation_id, ...rest, ...packed, ...times, seq },
      }
    }),
  )

export async function deleteMessages(
  database: Database,
  user_id: string,
  conversation_id: string,
): Promise<void> {
  const { deletedCount } = await database.messages.deleteMany({ user_id, conversation_id })
  if (deletedCount > 0) await eraseDeleted(database)
}

/**
 * Returns the ids of conversations with a message whose text matches the pattern.
 */
export async function findConversationsWithText(
  { messages, sealing }: Database,
  user_id: string,
  pattern: string,
  time: TimeBudget,
): Promise<string[]> {
  if (!sealing)
    return messages.distinct(
      'conversation_id',
      { user_id, content: { $regex: pattern } },
      time.left,
    )
  const found = new Set<string>()
  const all = messages.find({ user_id }, time.left).project<SearchedMessage>(searched)
  for await (const { conversation_id } of findSealedText(all, contentOf, pattern, time))
    found.add(conversation_id)
  return [...found]
}

type SearchedMessage = Pick<MessageDocument, 'conversation_id' | 'content'>
const searched = { conversation_id: 1, content: 1 }
const contentOf = ({ content }: SearchedMessage): string => content

/** Messages that are looked at for one page of a search. */
const MAX_MATCHES = 1_000

/** By conversation: the content of its newest message that matches the pattern. */
export async function findMatchingContents(
  { messages, sealing }: Database,
  user_id: string,
  conversation_ids: readonly string[],
  pattern: string,
  time: TimeBudget,
): Promise<Map<string, string>> {
  const found = new Map<string, string>()
  const newestFirst = messages
    .find(
      {
        user_id,
        conversation_id: { $in: [...conversation_ids] },
        ...(!sealing && { content: { $regex: pattern } }),
      },
      time.left,
    )
    .sort({ conversation_id: -1, position: -1 })
    .project<SearchedMessage>(searched)
  const matching = sealing
    ? findSealedText(newestFirst, contentOf, pattern, time)
    : newestFirst.limit(MAX_MATCHES)
  for await (const { conversation_id, content } of matching)
    if (!found.has(conversation_id)) found.set(conversation_id, content)
  return found
}

/** Undefined: there is no such message. */
export async function readMessageStatus(
  { messages }: Database,
  name: MessageName,
): Promise<MessageStatus | undefined> {
  const message = idFilter(messageKey(name))
  return (await messages.findOne(message, { projection: { status: 1 } }))?.status
}

/** Returns the ids of the conversation's messages that are streaming. */
export async function findStreamingMessageIds(
  { messages }: Database,
  user_id: string,
  conversation_id: string,
): Promise<string[]> {
  const found = messages
    .find({ user_id, conversation_id, status: 'streaming' })
    .project<{ _id: string }>({ _id: 1 })
  return (await found.toArray()).map(({ _id }) => _id.slice(_id.lastIndexOf(':') + 1))
}

/** Streaming messages of all users. There are few, because replies end within minutes. */
export const findAllStreamingMessages = (
  { messages }: Database,
  limit: number,
): Promise<MessageDocument[]> => messages.find({ status: 'streaming' }).limit(limit).toArray()
