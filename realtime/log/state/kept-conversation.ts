// What is kept of a conversation between two commands: the summary, and those messages that the
// next command is likely to need. The rest is read when a command names it.
//
// A message that isn't kept is untouched by the log's tail, so its document is as new as the head.
// Therefore messages that the tail touches are always kept; the projector writes them from here.
import type { Conversation } from '@lockstep/protocol/conversations'
import type { Message } from '@lockstep/protocol/message'
import { isConversation, type HeldConversation } from '@lockstep/protocol/reduce/conversation'
import type { Database } from '../../store/database.ts'
import type { ChangeDocument } from '../../store/documents.ts'
import {
  findStreamingMessageIds,
  readMessageIds,
  readMessages,
  readWindow,
  toMessage,
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
  const add = (found: readonly Message[]) => {
    for (const message of found) if (!messages.has(message.id)) messages.set(message.id, message)
  }
  const read = async (ids: readonly string[]) => {
    if (ids.length === 0) return
    const wanted = ids.map((one) => ({ user_id, conversation_id: id, id: one }))
    add((await readMessages(database, wanted)).map(toMessage))
  }

  let { ids } = lacking
  const unheld = () => named.filter((one) => !messages.has(one) && ids?.has(one) !== false)
  if (!ids && unheld().length > 0 && held.message_count <= MAX_IDS) {
    const stored = await readMessageIds(database, user_id, id)
    const all = new Set([...messages.keys(), ...stored])
    if (all.size === held.message_count) ids = all
  }
  await read(unheld())
  if (newest > newestHeld(held))
    add((await readWindow(database, user_id, id, { limit: newest })).map(toMessage))
  if (streaming && lacking.stream) {
    const streams = await findStreamingMessageIds(database, user_id, id)
    await read(streams.filter((one) => !messages.has(one)))
  }
  return {
    held: {
      ...held,
      messages: [...messages.values()].sort((a, b) => a.position - b.position),
    },
    lacking: { ids, stream: lacking.stream && !streaming },
  }
}

/** How many of the newest messages are held without a gap. Infinity: all that there are. */
function newestHeld({ messages, message_count }: Conversation): number {
  let count = 0
  while (messages.at(-1 - count)?.position === message_count - count) count++
  return count === message_count ? Infinity : count
}

/** The part of a conversation at the head that is worth keeping. */
export function keptOf(
  held: HeldConversation,
  lacking: LackingMessages = {},
  head: HeadSnapshot,
): { state: KeptConversation; bytes: number } | undefined {
  if (!held) return undefined
  if (!isConversation(held)) return { state: { held, lacking }, bytes: SUMMARY_BYTES }
  for (const { id } of held.messages) lacking.ids?.add(id)
  const touched = new Set(tailOf(head, held.id).flatMap(touchedBy))
  const messages: Message[] = []
  let [bytes, isWindow] = [0, true]
  for (const message of held.messages.toReversed()) {
    const follows = message.position === held.message_count - messages.length
    isWindow &&= follows && messages.length < WINDOW && bytes < WINDOW_BYTES
    if (!isWindow && !touched.has(message.id) && message.status !== 'streaming') continue
    messages.unshift(message)
    bytes += bytesOf(message)
  }
  const kept: Conversation = { ...held, messages, has_more: false }
  const size = SUMMARY_BYTES + bytes + ID_BYTES * (lacking.ids?.size ?? 0)
  return { state: { held: kept, lacking }, bytes: size }
}

/** The ids of the messages that an entry wrote. */
export function touchedBy({ data }: ChangeDocument): string[] {
  if (!data) return []
  // Assertion: this version knows the entry's op, and so the messages in its data.
  const { messages = [], message_id } = data as { messages?: Message[]; message_id?: unknown }
  return [...messages.map(({ id }) => id), ...(typeof message_id === 'string' ? [message_id] : [])]
}

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
