// What is kept of a conversation between two commands: the summary, and those messages that the
// next command is likely to need. The rest is read when a command names it.
//
// A message that isn't kept is untouched by the log's tail, so its document is as new as the head.
// Therefore messages that the tail touches are always kept; the projector writes them from here.
import type { Conversation } from '@lockstep/protocol/conversations'
import { isObject } from '@lockstep/protocol/free-form'
import type { Message, RemovedMessage } from '@lockstep/protocol/message'
import {
  isConversation,
  lastPosition,
  type HeldConversation,
} from '@lockstep/protocol/reduce/conversation'
import type { Database } from '../../store/database.ts'
import type { ChangeDocument, MessageDocument } from '../../store/documents.ts'
import {
  findStreamingMessageIds,
  readMessageIds,
  readMessages,
  readWindow,
  toHeldMessages,
} from '../../store/messages.ts'
import { tailOf, type HeadSnapshot } from './topic-state.ts'

export interface LackingMessages {
  /**
   * The ids of all messages of the conversation, so that no message has an id outside of the set.
   * Absent: not known. The set grows with the conversation.
   */
  ids?: Set<string>
  /** A message that isn't held may be streaming. */
  stream?: boolean
}

/** What `completed` adds to a kept state. */
export interface Missing {
  messages: readonly string[]
  newest?: number
  streaming?: boolean
}

/** In a longer conversation, each message that a command names is looked up by itself. */
const MAX_IDS = 2_000
/** How many of the newest messages are kept, and about how many bytes of them. */
const [WINDOW, WINDOW_BYTES] = [100, 128 * 1024]
const SUMMARY_BYTES = 2_000
const ID_BYTES = 100
const REMOVED_BYTES = 300

interface KeptConversation {
  held: HeldConversation
  lacking?: LackingMessages
}

/** The kept conversation with the messages that a command needs as well. */
export async function completed(
  database: Database,
  user_id: string,
  id: string,
  { held, lacking = {} }: KeptConversation,
  { messages: named, newest = 0, streaming = false }: Missing,
): Promise<KeptConversation> {
  if (!isConversation(held)) return { held, lacking }
  const messages = new Map(held.messages.map((message) => [message.id, message]))
  const removed = new Map(held.removed?.map((message) => [message.id, message]))
  const isHeld = (one: string) => messages.has(one) || removed.has(one)
  const add = async (documents: readonly MessageDocument[]) => {
    const found = await toHeldMessages(documents)
    for (const message of found.messages) if (!isHeld(message.id)) messages.set(message.id, message)
    for (const message of found.removed) if (!isHeld(message.id)) removed.set(message.id, message)
  }
  const read = async (ids: readonly string[]) => {
    if (ids.length === 0) return
    const wanted = ids.map((one) => ({ user_id, conversation_id: id, id: one }))
    await add(await readMessages(database, wanted))
  }

  let { ids } = lacking
  const unheld = () => named.filter((one) => !isHeld(one) && ids?.has(one) !== false)
  if (!ids && unheld().length > 0 && lastPosition(held) <= MAX_IDS) {
    const stored = await readMessageIds(database, user_id, id)
    const all = new Set([...messages.keys(), ...removed.keys(), ...stored])
    if (all.size === lastPosition(held)) ids = all
  }
  await read(unheld())
  if (newest > newestHeld(held))
    await add(await readWindow(database, user_id, id, { limit: newest }))
  if (streaming && lacking.stream) {
    const streams = await findStreamingMessageIds(database, user_id, id)
    await read(streams.filter((one) => !isHeld(one)))
  }
  return {
    held: {
      ...held,
      messages: [...messages.values()].sort(byPosition),
      ...(removed.size > 0 && { removed: [...removed.values()].sort(byPosition) }),
    },
    lacking: { ids, stream: lacking.stream && !streaming },
  }
}

/** How many of the newest messages are held without a gap. Infinity: all that there are. */
export function newestHeld(held: Conversation): number {
  const positions = new Set(held.messages.map(({ position }) => position))
  const removed = new Set(held.removed?.map(({ position }) => position))
  let [position, count] = [lastPosition(held), 0]
  for (; positions.has(position) || removed.has(position); position--)
    if (positions.has(position)) count++
  return position === 0 ? Infinity : count
}

const isMessage = (held: Message | RemovedMessage): held is Message => 'content' in held

const byPosition = (one: { position: number }, other: { position: number }): number =>
  one.position - other.position

/** The part of a conversation at the head that is worth keeping. */
export function keptOf(
  held: HeldConversation,
  lacking: LackingMessages = {},
  head: HeadSnapshot,
): { state: KeptConversation; bytes: number } | undefined {
  if (!held) return undefined
  if (!isConversation(held)) return { state: { held, lacking }, bytes: SUMMARY_BYTES }
  for (const { id } of [...held.messages, ...(held.removed ?? [])]) lacking.ids?.add(id)
  const touched = new Set(tailOf(head, held.id).flatMap(touchedBy))
  const messages: Message[] = []
  const removed: RemovedMessage[] = []
  let [bytes, isWindow, expected] = [0, true, lastPosition(held)]
  for (const message of [...held.messages, ...(held.removed ?? [])].sort(byPosition).reverse()) {
    const follows = message.position === expected
    const count = messages.length + removed.length
    isWindow &&= follows && count < WINDOW && bytes < WINDOW_BYTES
    const streams = isMessage(message) && message.status === 'streaming'
    if (!isWindow && !touched.has(message.id) && !streams) continue
    expected--
    if (isMessage(message)) messages.unshift(message)
    else removed.unshift(message)
    bytes += isMessage(message) ? bytesOf(message) : REMOVED_BYTES
  }
  const kept: Conversation = { ...held, messages, removed, has_more: false }
  if (removed.length === 0) delete kept.removed
  const size = SUMMARY_BYTES + bytes + ID_BYTES * (lacking.ids?.size ?? 0)
  return { state: { held: kept, lacking }, bytes: size }
}

/** The ids of the messages that an entry wrote. */
export function touchedBy(entry: ChangeDocument): string[] {
  const messages = listIn(entry, 'messages').filter(isObject)
  return [...messages.map(({ id }) => id).filter(isString), ...changedInPart(entry)]
}

/** The ids of the messages that an entry changed without containing them as a whole. */
export const changedInPart = (entry: ChangeDocument): string[] =>
  [...listIn(entry, 'removed_messages'), entry.data?.message_id].filter(isString)

function listIn({ data }: ChangeDocument, field: string): unknown[] {
  const list = data?.[field]
  return Array.isArray(list) ? list : []
}

const isString = (value: unknown): value is string => typeof value === 'string'

const sizes = new WeakMap<Message, number>()

function bytesOf(message: Message): number {
  let size = sizes.get(message)
  if (size === undefined) {
    const { content, metadata, parts = [] } = message
    size = 400 + 2 * (content.length + JSON.stringify([metadata, parts]).length)
    sizes.set(message, size)
  }
  return size
}
