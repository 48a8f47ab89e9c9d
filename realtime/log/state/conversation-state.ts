// The state that commands on a conversation decide on. A command never loads a whole conversation:
// it gets the summary and the messages that it needs, and the same reducers work on that.
import type { Conversation } from '@lockstep/protocol/conversations'
import { live } from '@lockstep/protocol/decide/conversations'
import { Fault } from '@lockstep/protocol/errors'
import { limits } from '@lockstep/protocol/limits'
import {
  isConversation,
  reduceConversation,
  type HeldConversation,
} from '@lockstep/protocol/reduce/conversation'
import type { Database } from '../../store/database.ts'
import { findNewestBesides, findStreamingMessageIds, toMessage } from '../../store/messages.ts'
import { fold, readProjected, type MessageSelection } from '../projected-conversation.ts'
import { changedBy, entriesSince, undoAll } from '../undo.ts'
import {
  changedInPart,
  completed,
  keptOf,
  newestHeld,
  type LackingMessages,
} from './kept-conversation.ts'
import { tailOf, type HeadSnapshot, type TopicState } from './topic-state.ts'

export interface ConversationNeeds {
  /** Messages by id. */
  messages?: readonly string[]
  /** How many of the newest messages the answer shows. */
  newest?: number
  /** Ids of messages to ignore: the answer has the newest message beside them. */
  besides?: readonly string[]
  /** Every message that is streaming. */
  streaming?: boolean
  /**
   * The conversation right after the change `seq`, with every message that has changed since.
   * Includes `streaming`.
   */
  asOf?: number
  /** Tells whether the user has as many conversations as allowed. */
  quota?: { isFull(user_id: string, seq: number): Promise<boolean> }
}

export interface ConversationState {
  held: HeldConversation
  /** For `asOf`: the conversation at that moment, or the Fault that says why the log can't tell. */
  earlier?: Conversation | Fault
  /** For `quota`. */
  isFull?: boolean
  /** What is known of the messages that `held` lacks. */
  lacking?: LackingMessages
}

export const conversationState: TopicState<ConversationState, ConversationNeeds> = {
  async load(database, head, id, needs, kept) {
    const isFull = await needs.quota?.isFull(head.user_id, head.seq)
    const state = await loadState(database, head, id, needs, kept)
    const { earlier } = state
    const deletedThen = earlier instanceof Fault ? undefined : earlier?.removed?.map(({ id }) => id)
    const besides = needs.besides ?? deletedThen
    return { isFull, ...state, held: await withNewest(database, head, state.held, besides) }
  },
  apply: (state, change) => ({ ...state, held: reduceConversation(state.held, change) }),
  versionOf: ({ held }) => (isConversation(held) ? held.version : 1),
  keep: ({ held, lacking }, head) => keptOf(held, lacking, head),
}

async function loadState(
  database: Database,
  head: HeadSnapshot,
  id: string,
  { messages = [], newest, streaming, asOf }: ConversationNeeds,
  kept: ConversationState | undefined,
): Promise<ConversationState> {
  if (asOf !== undefined) return loadEarlier(database, head, id, { seq: asOf, newest })
  if (kept) return completed(database, head.user_id, id, kept, { messages, newest, streaming })
  const load = streaming ? loadStreaming : loadSelected
  const held = await load(database, head, id, { ids: messages, newest })
  return { held, lacking: held ? { stream: !streaming } : { ids: new Set() } }
}

/**
 * Adds the newest message that isn't deleted, ignoring the messages in `besides`. A command deletes
 * those messages, and then the preview shows the added one. A conversation without deleted messages
 * needs the addition only if `besides` is given.
 *
 * A message that isn't held is untouched by the log's tail. So the newest one is held, or it is the
 * newest of the documents that the tail hasn't deleted.
 */
async function withNewest(
  database: Database,
  { user_id }: HeadSnapshot,
  held: HeldConversation,
  besides?: readonly string[],
): Promise<HeldConversation> {
  if (!isConversation(held)) return held
  if (!besides && (!held.removed_count || newestHeld(held) > 0)) return held
  const gone = [...(held.removed ?? []).map(({ id }) => id), ...(besides ?? [])]
  const found = await findNewestBesides(database, user_id, held.id, gone)
  const newest = found && toMessage(found)
  if (!newest || held.messages.some(({ id }) => id === newest.id)) return held
  const messages = [...held.messages, newest].sort((a, b) => a.position - b.position)
  return { ...held, messages }
}

async function loadSelected(
  database: Database,
  head: HeadSnapshot,
  id: string,
  selection: MessageSelection,
): Promise<HeldConversation> {
  return fold(await readProjected(database, head.user_id, id, selection), tailOf(head, id)).held
}

/**
 * Asks which messages stream after it has read the conversation, as the documents may be ahead of
 * the head that this node knows.
 */
async function loadStreaming(
  database: Database,
  head: HeadSnapshot,
  id: string,
  { ids: named, newest }: MessageSelection,
): Promise<HeldConversation> {
  const entries = tailOf(head, id)
  const ids = new Set(named)
  for (const entry of entries) for (const one of changedInPart(entry)) ids.add(one)
  for (;;) {
    const projected = await readProjected(database, head.user_id, id, { ids: [...ids], newest })
    const streaming = await findStreamingMessageIds(database, head.user_id, id)
    if (streaming.every((message) => ids.has(message))) return fold(projected, entries).held
    for (const message of streaming) ids.add(message)
  }
}

/** The Fault is part of the state: it counts only if this head is the newest (LOG-4). */
async function loadEarlier(
  database: Database,
  head: HeadSnapshot,
  id: string,
  { seq, newest }: { seq: number; newest?: number },
): Promise<ConversationState> {
  try {
    const entries = await entriesSince(database, head.user_id, id, { seq, head: head.seq })
    const changed = await changedBy(entries())
    if (changed.size > limits.messagesPerRequest) throw tooManyEdited()
    const held = await loadStreaming(database, head, id, { ids: [...changed], newest })
    return { held, earlier: await undoAll(live(held), entries()), lacking: { stream: false } }
  } catch (error) {
    if (error instanceof Fault) return { held: undefined, earlier: error }
    throw error
  }
}

const tooManyEdited = () =>
  new Fault('too_large', {
    detail: 'More messages have been edited since then than one change may contain',
    limit_bytes: limits.changeBytes,
  })
