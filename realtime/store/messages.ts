// Messages as documents, one each, so that the cost of an append doesn't grow with the
// conversation. Only the projector writes them.
import type { Link } from '@lockstep/protocol/branch'
import { limits } from '@lockstep/protocol/limits'
import type { Message, MessageStatus, RemovedMessage } from '@lockstep/protocol/message'
import { whole } from '@lockstep/protocol/message-parts'
import { isTurnOver, mapInTurns, shareTurn } from '../concurrency/turns.ts'
import type { Database } from './database.ts'
import type { MessageDocument } from './documents.ts'
import { eraseDeleted } from './erasure.ts'
import { writeGuarded } from './guarded-writes.ts'
import { jsonBytes } from './json-bytes.ts'
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

const toRemoved = ({
  _id,
  position,
  version,
  replaces,
  follows,
}: MessageDocument): RemovedMessage => ({
  id: _id.slice(_id.lastIndexOf(':') + 1),
  position,
  version,
  replaces,
  ...(follows !== undefined && { follows }),
})

/** Messages as a conversation holds them, in the order of their documents. */
export const toHeldMessages = async (
  documents: readonly MessageDocument[],
): Promise<{ messages: Message[]; removed: RemovedMessage[] }> => ({
  messages: await toMessages(documents.filter(({ deleted }) => !deleted)),
  removed: documents.filter(({ deleted }) => deleted).map(toRemoved),
})

/** Takes turns with others: parts may have thousands of keys, which cost more than their bytes. */
export const toMessages = (documents: readonly MessageDocument[]): Promise<Message[]> =>
  mapInTurns(documents, toMessage)

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

/** Reads messages of any conversations, and what is left of deleted ones. */
export const readMessages = (
  { messages }: Database,
  wanted: readonly MessageName[],
): Promise<MessageDocument[]> => messages.find(idsFilter(wanted.map(messageKey))).toArray()

/** The ids of a conversation's messages, with those of deleted ones. */
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

const present = { deleted: { $exists: false } }

/** One page of the newest messages, or of those before a position, in order of position. */
export async function readWindow(
  { messages }: Database,
  user_id: string,
  conversation_id: string,
  { before, limit }: { before?: number; limit: number },
): Promise<MessageDocument[]> {
  const position = before === undefined ? { $gte: 1 } : { $lt: before }
  const newest = messages
    .find({ user_id, conversation_id, position, ...present })
    .sort({ position: -1 })
  return (await readPage(newest, limit)).items.reverse()
}

/** The places of a conversation up to a position, deleted messages included. */
export async function readPlaces(
  { messages }: Database,
  user_id: string,
  conversation_id: string,
  { before, limit }: { before: number; limit: number },
): Promise<MessageDocument[]> {
  const position = { $lt: before }
  const newest = messages.find({ user_id, conversation_id, position }).sort({ position: -1 })
  return (await readPage(newest, limit)).items.reverse()
}

/** At most so many deleted messages of a window are told. */
const MAX_REMOVED = 2_000

/** What is left of deleted messages in [from, before), in order of position. */
export async function readRemoved(
  { messages }: Database,
  user_id: string,
  conversation_id: string,
  { from, before = Infinity }: { from: number; before?: number },
): Promise<RemovedMessage[]> {
  const position = { $gte: from, $lt: before }
  const newest = messages
    .find({ user_id, conversation_id, position, deleted: true })
    .sort({ position: -1 })
    .limit(MAX_REMOVED)
  return (await newest.toArray()).map(toRemoved).reverse()
}

/** The newest message that isn't deleted, ignoring the messages with these `ids`. */
export const findNewestBesides = (
  { messages }: Database,
  user_id: string,
  conversation_id: string,
  ids: Iterable<string>,
): Promise<MessageDocument | null> => {
  const keys = [...ids].map((id) => messageKey({ user_id, conversation_id, id }))
  return messages.findOne(
    { user_id, conversation_id, position: { $gte: 1 }, _id: { $nin: keys }, ...present },
    { sort: { position: -1 } },
  )
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
    ...{ user_id, conversation_id, position: { $gt: after }, ...present },
  }))
  for await (const message of messages.find({ $or: branches })) {
    bytes += jsonBytes(message)
    if (bytes > limits.answerBytes) return undefined
    if (isTurnOver()) await shareTurn()
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
    .find({ user_id, conversation_id, position: { $gt: after, $lte: upTo }, ...present })
    .sort({ position: 1 })
    .limit(limit)
  const read: Message[] = []
  let length = 0
  for await (const document of found) {
    if (isTurnOver()) await shareTurn()
    read.push(toMessage(document))
    // `lockstep audit` reads damaged documents too
    length += String(document.content).length + (document.parts?.length ?? 0)
    if (length > TURN_LENGTH) break
  }
  return read
}

/**
 * The messages of a conversation without their content, in order of position, and what is left of
 * the deleted ones.
 */
export async function readLinks(
  { messages }: Database,
  user_id: string,
  conversation_id: string,
): Promise<{ links: Link[]; removed: Link[] }> {
  const found = await messages
    .find({ user_id, conversation_id, position: { $gte: 1 } })
    .sort({ position: 1 })
    .project<Pick<MessageDocument, '_id' | 'position' | 'replaces' | 'follows' | 'deleted'>>({
      position: 1,
      replaces: 1,
      follows: 1,
      deleted: 1,
    })
    .toArray()
  const [links, removed]: [Link[], Link[]] = [[], []]
  for (const { _id, deleted, ...link } of found)
    (deleted ? removed : links).push({ id: _id.slice(_id.lastIndexOf(':') + 1), ...link })
  return { links, removed }
}

/** A message as of change `seq`, or what is left of it. */
export interface MessageWrite extends MessageHome {
  message: Message | RemovedMessage
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
      const { id, created_at, updated_at, parts, ...rest } =
        'content' in message ? message : withoutContent(message)
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

/** Nobody reads these fields of a deleted message. */
const withoutContent = (removed: RemovedMessage): Message & { deleted: true } => ({
  ...removed,
  role: 'assistant',
  content: '',
  status: 'complete',
  created_at: NEVER,
  updated_at: NEVER,
  metadata: {},
  deleted: true,
})
const NEVER = new Date(0).toISOString()

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
