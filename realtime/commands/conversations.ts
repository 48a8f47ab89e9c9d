// What can be done with conversations. Writes go through the log. Reads first bring the documents
// up to the log.
import {
  decideConversations,
  messagesOf,
  namedMessages,
  type DecideConversation,
  type DecidedConversationCommand as Name,
} from '@lockstep/protocol/decide/conversations'
import type { Conversation, ConversationCommands, Summary } from '@lockstep/protocol/conversations'
import { checkDecision } from '@lockstep/protocol/decide/encryption'
import { Fault } from '@lockstep/protocol/errors'
import { newId } from '@lockstep/protocol/ids'
import { limits } from '@lockstep/protocol/limits'
import { isConversation, type HeldConversation } from '@lockstep/protocol/reduce/conversation'
import { searchPattern } from '@lockstep/protocol/search-text'
import type { CommandContext } from '../log/entry.ts'
import type { Log } from '../log/log.ts'
import { listConversations, readConversation, toSummary } from '../store/conversations.ts'
import type { Database } from '../store/database.ts'
import { jsonBytes } from '../store/json-bytes.ts'
import { findConversationsWithText, findMatchingContents } from '../store/messages.ts'
import { TimeBudget } from '../store/time-budget.ts'
import {
  createConversationQuota,
  quotaReached,
  type ConversationQuota,
} from './conversation-quota.ts'
import {
  conversationOutcome,
  type AnswerOptions,
  type ConversationAtHead,
  type ConversationOutcome,
} from './conversation-outcome.ts'
import { cursorsOf } from './cursor.ts'
import { existingConversation } from './live-conversation.ts'
import { withNewestMessages } from './snapshot.ts'
import { readWindowOf } from './message-window.ts'
import { excerptsOf } from './search-excerpts.ts'

/** How many messages of a conversation are read when the request doesn't say. */
export const NEWEST = 100

export interface Conversations {
  /**
   * Runs one of the commands that differ only in their decision. Throws the faults that the
   * contract lists.
   */
  change<N extends Name>(
    name: N,
    context: CommandContext,
    payload: ConversationCommands[N],
    options?: AnswerOptions,
  ): Promise<ConversationOutcome>
  /**
   * Purges a conversation that went to the trash before `before`. Otherwise it does nothing: the
   * user may have restored it a moment ago.
   */
  purgeTrashed(context: CommandContext, id: string, before: Date): Promise<void>
  /**
   * Newest `updated_at` first. With `messages`, all pages have the first one's `seq`. Throws
   * `invalid` for a foreign cursor.
   */
  list(
    user_id: string,
    query: ListQuery,
  ): Promise<{
    items: ListedConversation[]
    next_cursor: string | null
    epoch: string
    seq: number
  }>
  /**
   * A conversation with its newest messages, or those before a position. Throws `not_found`, also
   * for the trash unless `state` asks for it.
   */
  get(user_id: string, id: string, query?: WindowQuery): Promise<ConversationAtHead>
}

/** With messages if the query asks for them. */
type ListedConversation = Summary & Partial<Pick<Conversation, 'messages' | 'has_more'>>

export interface ListQuery {
  limit: number
  cursor?: string
  q?: string
  /** `words`: every word of `q` has to be in the title or in a message. Default: `text`. */
  match?: 'text' | 'words'
  state: 'active' | 'archived' | 'trash'
  /** How many of its newest messages each item has. */
  messages?: number
}
export interface WindowQuery {
  before?: number
  limit?: number
  state?: 'active' | 'trash'
}

export function createConversations(
  database: Database,
  log: Log,
  quota: ConversationQuota = createConversationQuota(database, log),
): Conversations {
  async function change<N extends Name>(
    name: N,
    context: CommandContext,
    payload: ConversationCommands[N],
    options: AnswerOptions = {},
  ): Promise<ConversationOutcome> {
    const id = targetOf(payload)
    const command = name === 'create' ? { ...payload, id } : payload
    const decide: DecideConversation<N> = decideConversations[name]
    const deleted = 'message_ids' in payload ? payload.message_ids : undefined
    try {
      const appended = await log.append({
        context,
        topic: 'conversations',
        entity_id: id,
        identity: [name, payload],
        needs: {
          messages: [...namedMessages(messagesOf(command)), ...(deleted ?? [])],
          besides: deleted,
          newest: options.newest,
          ...(name === 'create' && { quota }),
        },
        decide({ held, isFull }, decisionContext) {
          if (isFull && held === undefined) throw quotaReached()
          const decision = decide(held, command, decisionContext)
          if (decision) {
            checkDecision(isConversation(held) ? held : undefined, decision, context.user_id)
            checkDeletion(held, deleted, options.message_version)
          }
          return decision
        },
      })
      return await conversationOutcome(appended, options)
    } catch (error) {
      const isConflict = error instanceof Fault && error.code === 'version_conflict'
      if (!isConflict || 'current' in error.extra) throw error
      const current = await getInAnyState(context.user_id, id)
      throw new Fault('version_conflict', { ...error.extra, current })
    }
  }

  async function getInAnyState(user_id: string, id: string): Promise<ConversationAtHead> {
    // the trash may be so recent that the documents don't show it
    await log.projectToHead(user_id, 'conversations')
    const document = await readConversation(database, user_id, id)
    const isTrashed = document !== null && 'deleted_at' in document && document.deleted_at !== null
    return get(user_id, id, { state: isTrashed ? 'trash' : 'active' })
  }

  async function purgeTrashed(context: CommandContext, id: string, before: Date): Promise<void> {
    await log.append({
      context,
      topic: 'conversations',
      entity_id: id,
      identity: ['purge', id],
      decide({ held }, decisionContext) {
        if (!isConversation(held) || held.deleted_at === null) return undefined
        if (new Date(held.deleted_at) >= before) return undefined
        return decideConversations.purge(held, { conversation_id: id }, decisionContext)
      },
    })
  }

  async function get(
    user_id: string,
    id: string,
    { before, limit = NEWEST, state = 'active' }: WindowQuery = {},
  ): Promise<ConversationAtHead> {
    for (;;) {
      const cursor = await log.projectToHead(user_id, 'conversations')
      const document = await existingConversation(database, user_id, id, state)
      const window = await readWindowOf(database, document, { before, limit })
      const again = await readConversation(database, user_id, id)
      if (again?.version !== document.version) continue // it changed between the two reads
      return { ...toSummary(document), ...window, ...cursor }
    }
  }

  async function list(user_id: string, query: ListQuery) {
    const { limit, cursor, q, match = 'text', state, messages } = query
    const cursors = cursorsOf('conversations', user_id, state, q, match)
    const previous = cursor === undefined ? undefined : cursors.read(cursor)
    const after = previous && { updated_at: previous.at, _id: previous._id }
    const head = await log.projectToHead(user_id, 'conversations')
    const terms = match === 'words' ? wordsOf(q) : q ? [q] : []
    const time = new TimeBudget(LIST_MS)
    const matching = []
    for (const pattern of terms.map(searchPattern))
      matching.push({
        pattern,
        ids: await findConversationsWithText(database, user_id, pattern, time),
      })
    const { items, more } = await listConversations(database, user_id, {
      state,
      limit,
      after,
      matching,
      time,
    })
    const page = messages
      ? await withNewestMessages(database, user_id, items, messages)
      : { items: items.map(toSummary), read: items.length }
    // the pages of a snapshot are followed by the changes since the first one
    const shared = messages ? (previous?.position ?? head) : undefined
    const last = items[page.read - 1]
    const hasNext = last && (more || page.read < items.length)
    const next_cursor = hasNext
      ? cursors.write({ at: last.updated_at, _id: last._id }, shared)
      : null
    const answer = { items: page.items, next_cursor, ...(shared ?? head) }
    if (match === 'text' || terms.length === 0) return answer
    return { ...answer, excerpts: await excerpts(user_id, answer.items, terms, time) }
  }

  /** Excerpts around the search's longest word, from the messages of these conversations. */
  async function excerpts(
    user_id: string,
    items: readonly { id: string }[],
    terms: readonly string[],
    time: TimeBudget,
  ) {
    const [longest = ''] = terms.toSorted((one, other) => other.length - one.length)
    const pattern = searchPattern(longest)
    const ids = items.map(({ id }) => id)
    const contents = await findMatchingContents(database, user_id, ids, pattern, time)
    return excerptsOf(contents, new RegExp(pattern, 'u'))
  }

  return { change, purgeTrashed, list, get }
}

/**
 * Throws `version_conflict` for a message that has another version, and `too_large` for messages
 * that the log couldn't keep for rewind in one entry.
 */
function checkDeletion(
  held: HeldConversation,
  ids: readonly string[] = [],
  version?: number,
): void {
  if (!isConversation(held) || ids.length === 0) return
  const wanted = new Set(ids)
  const gone = held.messages.filter(({ id }) => wanted.has(id))
  const current = gone.find((message) => version !== undefined && message.version !== version)
  if (current) throw new Fault('version_conflict', { current })
  if (jsonBytes(gone) > limits.changeBytes)
    throw new Fault('too_large', {
      detail: 'These messages are too much for one change: delete fewer at once',
      limit_bytes: limits.changeBytes,
    })
}

/** How long the database may take for one page of a list or a search. */
const LIST_MS = 3_000
/** Further words count as one. */
const MAX_WORDS = 8

function wordsOf(q = ''): string[] {
  const words = q.split(/\s+/u).filter((word) => word !== '')
  const rest = words.splice(MAX_WORDS - 1).join(' ')
  return rest === '' ? words : [...words, rest]
}

const targetOf = ({ id, conversation_id }: { id?: string; conversation_id?: string }): string =>
  conversation_id ?? id ?? newId()
