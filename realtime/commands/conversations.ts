// What can be done with conversations. Writes go through the log; reads first let the documents follow it.
import { decideConversations, namedMessages } from '@lockstep/protocol/decide/conversations'
import type { Decision, DecisionContext } from '@lockstep/protocol/change'
import type { Conversation, ConversationCommands, Summary } from '@lockstep/protocol/conversations'
import { Fault } from '@lockstep/protocol/errors'
import { isConversation, type HeldConversation } from '@lockstep/protocol/reduce/conversation'
import { newId } from '@lockstep/protocol/ids'
import { fingerprintOf } from '../log/entry.ts'
import type { Hot, Log } from '../log/log.ts'
import {
  listConversations,
  readConversation,
  toSummary,
  type LiveConversationDocument,
} from '../store/conversations.ts'
import type { Database } from '../store/database.ts'
import { findConversationsWithText, readWindow, toMessage } from '../store/messages.ts'
import type { Outcome, CommandContext } from './commands.ts'
import { cursorsOf } from './cursor.ts'
import { outcomeOf, withMessages } from './held-conversation.ts'
import { createConversationQuota, quotaReached, type ConversationQuota } from './conversation-quota.ts'

type Name = keyof typeof decideConversations
/** A conversation with a window of its messages, and the head of the topic from which a client goes on. */
export type ConversationAtHead = Conversation & { epoch: string; seq: number }

const NEWEST = 100

export interface Conversations {
  /** create, update, append, delete, restore, purge; Faults as the contract says. `data` is null after a purge. */
  change<N extends Name>(
    name: N,
    request: CommandContext,
    payload: ConversationCommands[N],
  ): Promise<Outcome<Summary | null>>
  /** Purges it if it is in the trash since before `before`: somebody may have restored it a moment ago. */
  purgeTrashed(request: CommandContext, id: string, before: Date): Promise<void>
  /** Newest `updated_at` first. Throws `invalid` for a foreign cursor. */
  list(
    user_id: string,
    query: ListQuery,
  ): Promise<{ items: Summary[]; next_cursor: string | null; epoch: string; seq: number }>
  /** The newest messages, or those before a position. Throws `not_found`, also for trash unless it is asked for. */
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
  room: ConversationQuota = createConversationQuota(database, log),
): Conversations {
  type Decide = (held: HeldConversation, context: DecisionContext) => Decision | undefined

  async function append(
    request: CommandContext,
    id: string,
    named: string[],
    identity: unknown,
    decide: Decide,
    look?: (hot: Hot) => Promise<void>,
  ): Promise<Outcome<Summary | null>> {
    const appended = await log.append<HeldConversation>({
      caller: request,
      topic: 'conversations',
      mutation_id: request.mutation_id,
      fingerprint: fingerprintOf(identity),
      load: async (hot) => {
        await look?.(hot)
        return withMessages(database, id, named)(hot)
      },
      decide,
    })
    return outcomeOf(database, log, request.user_id, appended)
  }

  async function change<N extends Name>(
    name: N,
    request: CommandContext,
    payload: ConversationCommands[N],
  ): Promise<Outcome<Summary | null>> {
    const command = name === 'create' ? { id: newId(), ...payload } : payload
    const id = targetOf(command)
    const decide = decideConversations[name] as (
      held: HeldConversation,
      command: object,
      context: DecisionContext,
    ) => Decision
    let full = false
    const look = async ({ user_id, seq }: Hot) =>
      void (full = name === 'create' && (await room.isFull(user_id, seq)))
    try {
      return await append(
        request,
        id,
        namedMessages(inputsOf(command)),
        [name, payload],
        (held, context) => {
          if (full && held === undefined) throw quotaReached()
          return decide(held, command, context)
        },
        look,
      )
    } catch (error) {
      if (error instanceof Fault && error.code === 'version_conflict')
        throw new Fault('version_conflict', {
          ...error.extra,
          current: await get(request.user_id, id),
        })
      throw error
    }
  }

  async function purgeTrashed(request: CommandContext, id: string, before: Date): Promise<void> {
    await append(request, id, [], ['purge', id], (held, context) => {
      if (!isConversation(held) || held.deleted_at === null || new Date(held.deleted_at) >= before)
        return undefined
      return decideConversations.purge(held, { conversation_id: id }, context)
    })
  }

  async function get(
    user_id: string,
    id: string,
    { before, limit = NEWEST, state = 'active' }: WindowQuery = {},
  ): Promise<ConversationAtHead> {
    for (;;) {
      const cursor = await log.projectToHead(user_id, 'conversations')
      const document = visible(await readConversation(database, user_id, id), state)
      const messages = (await readWindow(database, user_id, id, { before, limit })).map(toMessage)
      const again = await readConversation(database, user_id, id)
      if (again?.version !== document.version) continue // it moved between the two reads
      const has_more = (messages[0]?.position ?? 1) > 1
      return { ...toSummary(document), messages, has_more, ...cursor }
    }
  }

  async function list(user_id: string, { limit, cursor, q, state }: ListQuery) {
    const cursors = cursorsOf('conversations', user_id, state, q)
    const place = cursor === undefined ? undefined : cursors.read(cursor)
    const after = place && { updated_at: place.at, _id: place._id }
    const head = await log.projectToHead(user_id, 'conversations')
    const matching = q
      ? { text: q, ids: await findConversationsWithText(database, user_id, q) }
      : undefined
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

function visible(
  document: Awaited<ReturnType<typeof readConversation>>,
  state: 'active' | 'trash',
): LiveConversationDocument {
  if (
    document &&
    !('purged' in document) &&
    (document.deleted_at === null) === (state === 'active')
  )
    return document
  throw new Fault('not_found', { detail: 'There is no such conversation' })
}

const targetOf = (command: object): string => {
  const { id, conversation_id } = command as { id?: string; conversation_id?: string }
  return (conversation_id ?? id)!
}

function inputsOf(command: object) {
  const { message, messages } = command as Partial<
    ConversationCommands['append'] & ConversationCommands['update']
  >
  return message ? [message] : messages
}
