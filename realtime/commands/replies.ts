// What happens to a reply in its conversation: it begins, grows, ends. Everything goes through the log; who produces the text doesn't
// matter here, the log refuses whatever comes from another run or after the end.
import type { ConversationCommands, Summary } from '@lockstep/protocol/conversations'
import type { Decision, DecisionContext } from '@lockstep/protocol/change'
import {
  decideExtend,
  decideFinish,
  decideReply,
  decideStop,
  decideStopRequest,
  type ReplyEnding,
  type ReplyPiece,
  type ReplyStart,
} from '@lockstep/protocol/decide/replies'
import { Fault } from '@lockstep/protocol/errors'
import type { JsonObject } from '@lockstep/protocol/free-form'
import type { Message } from '@lockstep/protocol/message'
import type { HeldConversation } from '@lockstep/protocol/reduce/conversation'
import { derivedId, fingerprintOf } from '../log/entry.ts'
import type { Hot, Log } from '../log/log.ts'
import { readConversation } from '../store/conversations.ts'
import type { Database } from '../store/database.ts'
import {
  readMessages,
  readMessageStatus,
  readWindow,
  findStreamingMessageIds,
  toMessage,
} from '../store/messages.ts'
import type { Outcome, CommandContext } from './commands.ts'
import { outcomeOf, withMessages, withStreaming } from './held-conversation.ts'

/** How the log names the server when it does something by itself. */
export const byServer = (user_id: string, ...parts: (string | number)[]): CommandContext => ({
  user_id,
  session_id: null,
  device: 'Lockstep',
  mutation_id: derivedId(...parts),
})

/** A reply that runs: its address. */
export interface ReplyAddress {
  user_id: string
  conversation_id: string
  message_id: string
  run_id: string
}

/** `cause` tells apart who writes on behalf of a run: each may end it once. */
export interface Replies {
  /**
   * Appends the streaming message. Throws `already_replying`, `not_found`, `invalid`, or `refusal` when there is one (a repeated command
   * finds its first outcome all the same).
   */
  begin(
    request: CommandContext,
    payload: ConversationCommands['reply'],
    start: ReplyStart,
    refusal?: Fault,
  ): Promise<Outcome<Summary | null>>
  /** Appends what reaches beyond the present end. Throws `not_found` when this run doesn't write the message any more. */
  extend(
    address: ReplyAddress,
    piece: Pick<ReplyPiece, 'offset' | 'text'>,
    cause?: string,
  ): Promise<void>
  /** Ends the message for its run, once; also in the trash. Throws `not_found` after a purge. */
  finish(
    address: ReplyAddress,
    ending: Pick<ReplyEnding, 'status' | 'metadata'>,
    cause?: string,
  ): Promise<void>
  /** Ends the message, whoever writes it, from any node; `metadata` joins the message's own. */
  stop(
    request: CommandContext,
    payload: ConversationCommands['stop'],
    metadata?: JsonObject,
  ): Promise<Outcome<Summary | null>>
  /** Asks whoever writes the message to end it. */
  askToStop(
    request: CommandContext,
    payload: ConversationCommands['stop'],
  ): Promise<Outcome<Summary | null>>
  /** Whether the message may still grow, as far as documents have followed the log. */
  isOpen(address: Omit<ReplyAddress, 'run_id'>): Promise<boolean>
  /** Why no reply can begin in this conversation, if so. */
  obstacle(user_id: string, conversation_id: string): Promise<Fault | undefined>
  /** At most `limit` messages that may come before the message in its thread, in order of position, and the message. */
  upTo(
    user_id: string,
    conversation_id: string,
    message_id: string,
    limit: number,
  ): Promise<Message[]>
}

type Decide = (held: HeldConversation, context: DecisionContext) => Decision | undefined

export function createReplies(database: Database, log: Log): Replies {
  const named = (conversation_id: string, messageIds: string[]) =>
    withMessages(database, conversation_id, messageIds)

  const append = (
    request: CommandContext,
    command: unknown,
    load: (hot: Hot) => Promise<HeldConversation>,
    decide: Decide,
  ) =>
    log.append<HeldConversation>({
      caller: request,
      topic: 'conversations',
      mutation_id: request.mutation_id,
      fingerprint: fingerprintOf(command),
      load,
      decide,
    })

  /** One command, whatever comes of it: it may be repeated on a node where the other thing is to be done. */
  async function onStreaming(
    request: CommandContext,
    payload: ConversationCommands['stop'],
    decide: Decide,
  ) {
    const { conversation_id, message_id } = payload
    const appended = await append(
      request,
      ['stop', payload],
      named(conversation_id, [message_id]),
      decide,
    )
    return outcomeOf(database, log, request.user_id, appended)
  }

  return {
    async begin(request, payload, start, refusal) {
      const { conversation_id } = payload
      const load = withStreaming(database, conversation_id, start.replaces ? [start.replaces] : [])
      const appended = await append(request, ['reply', payload], load, (held, context) => {
        if (refusal) throw refusal
        return decideReply(held, start, context)
      })
      return outcomeOf(database, log, request.user_id, appended)
    },

    async extend(
      { user_id, conversation_id, message_id, run_id },
      { offset, text },
      cause = 'producer',
    ) {
      const piece = { message_id, run_id, offset, text }
      const request = byServer(user_id, 'extended', cause, run_id, offset)
      await append(request, ['extended', piece], named(conversation_id, [message_id]), (held) =>
        decideExtend(held, piece),
      )
    },

    async finish(
      { user_id, conversation_id, message_id, run_id },
      { status, metadata },
      cause = 'producer',
    ) {
      const ending = { message_id, run_id, status, metadata }
      const request = byServer(user_id, 'finished', cause, run_id)
      await append(
        request,
        ['finished', cause, run_id],
        named(conversation_id, [message_id]),
        (held, context) => decideFinish(held, ending, context),
      )
    },

    stop: (request, payload, metadata) =>
      onStreaming(request, payload, (held, context) =>
        decideStop(held, { message_id: payload.message_id, metadata }, context),
      ),
    askToStop: (request, payload) =>
      onStreaming(request, payload, (held) => decideStopRequest(held, payload.message_id)),

    async isOpen({ user_id, conversation_id, message_id }) {
      const document = await readConversation(database, user_id, conversation_id)
      if (!document) return true
      if ('purged' in document || document.deleted_at !== null) return false
      const status = await readMessageStatus(database, user_id, conversation_id, message_id)
      return status === undefined || status === 'streaming'
    },

    async obstacle(user_id, conversation_id) {
      await log.projectToHead(user_id, 'conversations')
      const document = await readConversation(database, user_id, conversation_id)
      if (!document || 'purged' in document || document.deleted_at !== null)
        return new Fault('not_found', { detail: 'There is no such conversation' })
      const streaming = await findStreamingMessageIds(database, user_id, conversation_id)
      return streaming.length > 0 ? new Fault('already_replying') : undefined
    },

    async upTo(user_id, conversation_id, message_id, limit) {
      await log.projectToHead(user_id, 'conversations')
      const chain: Message[] = []
      for (let next: string | null = message_id; next !== null; next = chain.at(-1)!.replaces) {
        const [found] = await readMessages(database, user_id, conversation_id, [next])
        if (!found || found.position >= (chain.at(-1)?.position ?? Infinity)) break
        chain.push(toMessage(found))
      }
      const first = chain.at(-1)
      if (!first) return []
      const before = await readWindow(database, user_id, conversation_id, {
        before: first.position,
        limit,
      })
      return [...before.map(toMessage), ...chain.reverse()]
    },
  }
}
