// What can be done with conversations. Writes go through the log. Reads first bring the documents
// up to it.
import {
  decideConversations,
  namedMessages,
  type DecideConversation,
  type DecidedConversationCommand as Name,
} from '@lockstep/protocol/decide/conversations'
import type { ConversationCommands, Summary } from '@lockstep/protocol/conversations'
import { Fault } from '@lockstep/protocol/errors'
import { newId } from '@lockstep/protocol/ids'
import type { MessageInput } from '@lockstep/protocol/message'
import { isConversation } from '@lockstep/protocol/reduce/conversation'
import { searchPattern } from '@lockstep/protocol/search-text'
import type { CommandContext } from '../log/entry.ts'
import type { Log } from '../log/log.ts'
import { listConversations, readConversation, toSummary } from '../store/conversations.ts'
import type { Database } from '../store/database.ts'
import { findConversationsWithText, readWindow, toMessage } from '../store/messages.ts'
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
  /** Newest `updated_at` first. Throws `invalid` for a foreign cursor. */
  list(
    user_id: string,
    query: ListQuery,
  ): Promise<{ items: Summary[]; next_cursor: string | null; epoch: string; seq: number }>
  /**
   * A conversation with its newest messages, or those before a position. Throws `not_found`, also
   * for the trash unless `state` asks for it.
   */
  get(user_id: string, id: string, query?: WindowQuery): Promise<ConversationAtHead>
}

export interface ListQuery {
  limit: number
  cursor?: string
  q?: string
  state: 'active' | 'archived' | 'trash'
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
    try {
      const appended = await log.append({
        context,
        topic: 'conversations',
        entity_id: id,
        identity: [name, payload],
        needs: {
          messages: namedMessages(inputsOf(command)),
          newest: options.newest,
          ...(name === 'create' && { quota }),
        },
        decide({ held, isFull }, decisionContext) {
          if (isFull && held === undefined) throw quotaReached()
          return decide(held, command, decisionContext)
        },
      })
      return conversationOutcome(appended, options)
    } catch (error) {
      if (!(error instanceof Fault && error.code === 'version_conflict')) throw error
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
      const messages = (await readWindow(database, user_id, id, { before, limit })).map(toMessage)
      const again = await readConversation(database, user_id, id)
      if (again?.version !== document.version) continue // it changed between the two reads
      const has_more = (messages[0]?.position ?? 1) > 1
      return { ...toSummary(document), messages, has_more, ...cursor }
    }
  }

  async function list(user_id: string, { limit, cursor, q, state }: ListQuery) {
    const cursors = cursorsOf('conversations', user_id, state, q)
    const previous = cursor === undefined ? undefined : cursors.read(cursor)
    const after = previous && { updated_at: previous.at, _id: previous._id }
    const head = await log.projectToHead(user_id, 'conversations')
    const pattern = q ? searchPattern(q) : undefined
    const matching =
      pattern === undefined
        ? undefined
        : { pattern, ids: await findConversationsWithText(database, user_id, pattern) }
    const { items, more } = await listConversations(database, user_id, {
      state,
      limit,
      after,
      matching,
    })
    const last = items.at(-1)
    const next_cursor = last && more ? cursors.write({ at: last.updated_at, _id: last._id }) : null
    return { items: items.map(toSummary), next_cursor, ...head }
  }

  return { change, purgeTrashed, list, get }
}

const targetOf = ({ id, conversation_id }: { id?: string; conversation_id?: string }): string =>
  conversation_id ?? id ?? newId()

const inputsOf = ({
  message,
  messages,
}: {
  conversation_id?: string
  message?: MessageInput
  messages?: MessageInput[]
}) => (message ? [message] : messages)
