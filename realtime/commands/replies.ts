// What happens to a reply in its conversation: it begins, grows, ends. Everything goes through the
// log. The log rejects what another run writes, or what is written after the end; so it doesn't
// matter here who produces the text.
import type { Actor } from '@lockstep/protocol/actor'
import { branchOf, threadsIn } from '@lockstep/protocol/branch'
import type { ConversationChanges, ConversationCommands } from '@lockstep/protocol/conversations'
import type { DecisionContext } from '@lockstep/protocol/change'
import type { ConversationDecision } from '@lockstep/protocol/decide/conversations'
import { decideMetadata, decideResume, findHostReply } from '@lockstep/protocol/decide/host-replies'
import {
  decideExtend,
  decideFinish,
  decidePart,
  decideReply,
  decideRetract,
  decideStop,
  decideStopRequest,
  findReply,
  noReplies,
  type ReplyEnding,
  type ReplyPiece,
  type ReplyStart,
} from '@lockstep/protocol/decide/replies'
import { Fault } from '@lockstep/protocol/errors'
import type { JsonObject } from '@lockstep/protocol/free-form'
import { newId } from '@lockstep/protocol/ids'
import type { Message, RemovedMessage } from '@lockstep/protocol/message'
import type { Part } from '@lockstep/protocol/parts'
import type { HeldConversation } from '@lockstep/protocol/reduce/conversation'
import type { ReplyIds } from '@lockstep/protocol/reply-ids'
import { derivedId } from '../log/derived-id.ts'
import { SERVER_DEVICE, type CommandContext } from '../log/entry.ts'
import type { Appended } from '../log/append.ts'
import type { Log } from '../log/log.ts'
import type { ConversationNeeds } from '../log/state/conversation-state.ts'
import { readConversation } from '../store/conversations.ts'
import type { Database } from '../store/database.ts'
import type { MessageDocument } from '../store/documents.ts'
import {
  readMessages,
  readMessageStatus,
  readPlaces,
  findStreamingMessageIds,
  toHeldMessages,
} from '../store/messages.ts'
import { conversationOutcome, type ConversationOutcome } from './conversation-outcome.ts'
import { isLive, noSuchConversation } from './live-conversation.ts'

/** How many pieces of a conversation are read for one thread that leads far back. */
const MAX_WINDOWS = 5

/** The context of something that the server does by itself; `parts` identify it. */
export const byServer = (user_id: string, ...parts: (string | number)[]): CommandContext => ({
  user_id,
  session_id: null,
  device: SERVER_DEVICE,
  mutation_id: derivedId(...parts),
})

const actorOf = ({ session_id, device }: CommandContext): Actor => ({ session_id, device })

/** Where a reply is written, and by which run. */
export interface ReplyAddress {
  user_id: string
  conversation_id: string
  message_id: string
  run_id: string
}

/**
 * Replies as the log has them. `cause` says who writes on behalf of a run: each may end the reply
 * once.
 */
export interface Replies {
  /**
   * Appends the streaming message. Throws `already_replying`, `not_found`, `invalid`, `id_taken`,
   * or `refusal` if one is given. A repeated command, or one for a reply that exists, finds its
   * first outcome all the same.
   */
  begin(
    context: CommandContext,
    payload: ConversationCommands['reply'],
    start: ReplyStart,
    refusal?: Fault,
  ): Promise<ConversationOutcome>
  /**
   * Appends the text beyond the present end. Throws `not_found` when this run no longer writes the
   * message.
   */
  extend(
    address: ReplyAddress,
    piece: Pick<ReplyPiece, 'offset' | 'text'>,
    cause?: string,
  ): Promise<void>
  /** Adds a part, or replaces the one with its id. Throws as `extend`. */
  part(address: ReplyAddress, part: Part, cause: string): Promise<void>
  /** Patches the metadata (RFC 7396). Throws as `extend`. */
  describe(address: ReplyAddress, patch: JsonObject, n: number): Promise<void>
  /**
   * Lets the run go on with a reply of a program of the host that another run has written. Nothing
   * changes if it has ended for good. Throws `invalid` if text would be missing before `offset`,
   * and `already_replying`.
   */
  resume(address: ReplyAddress, offset: number): Promise<{ resumed: boolean }>
  /**
   * The reply of a program of the host, as the log has it; undefined if there is no such message.
   * Throws `not_found` without the conversation, and `id_taken` if the message is another one.
   */
  ofHost(
    address: Omit<ReplyAddress, 'run_id'>,
  ): Promise<{ message: Message | undefined; outcome: ConversationOutcome }>
  /** Takes back all text. Throws `not_found` when this run doesn't write the message any more. */
  retract(address: ReplyAddress): Promise<void>
  /** Ends the message for its run, once; also in the trash. Throws `not_found` after a purge. */
  finish(
    address: ReplyAddress,
    ending: Pick<ReplyEnding, 'status' | 'metadata' | 'by'>,
    cause?: string,
  ): Promise<void>
  /** Ends the message, whichever node produces it. `metadata` is added to the message's own. */
  stop(
    context: CommandContext,
    payload: ConversationCommands['stop'],
    metadata?: JsonObject,
  ): Promise<ConversationOutcome>
  /** Asks the producer to end the message. */
  askToStop(
    context: CommandContext,
    payload: ConversationCommands['stop'],
  ): Promise<ConversationOutcome>
  /** Whether the message may still grow, as far as the documents have followed the log. */
  isOpen(address: Omit<ReplyAddress, 'run_id'>): Promise<boolean>
  /** The Fault that a new reply would meet; undefined: it can begin. */
  obstacle(user_id: string, conversation_id: string): Promise<Fault | undefined>
  /**
   * The message and at most `limit` messages before it that may belong to its thread, ordered by
   * position, and what is left of deleted ones between them.
   */
  upTo(
    address: Omit<ReplyAddress, 'run_id'>,
    limit: number,
  ): Promise<{ messages: Message[]; removed: RemovedMessage[] }>
}

type Decide = (held: HeldConversation, context: DecisionContext) => ConversationDecision | undefined

/** The reply that a command has started, now or when it came first. */
function replyOf(
  { kind, state, data }: Appended<'conversations'>,
  message_id: string,
): ReplyIds | undefined {
  if (kind !== 'repeated') return findReply(state.held, message_id)
  const messages = (data as Partial<ConversationChanges['updated']> | null)?.messages
  return messages
    ?.map(({ id, metadata }) => ({ message_id: id, run_id: String(metadata.run_id) }))
    .at(-1)
}

export function createReplies(database: Database, log: Log): Replies {
  const append = (
    context: CommandContext,
    { conversation_id, ...needs }: { conversation_id: string } & ConversationNeeds,
    identity: unknown,
    decide: Decide,
  ) =>
    log.append({
      context,
      topic: 'conversations',
      entity_id: conversation_id,
      identity,
      needs,
      decide: ({ held }, decisionContext) => decide(held, decisionContext),
    })

  /**
   * `stop` and `askToStop` share one identity: a repeated command may reach another node, where the
   * other one of the two is called.
   */
  async function stopStreaming(
    context: CommandContext,
    payload: ConversationCommands['stop'],
    decide: Decide,
  ): Promise<ConversationOutcome> {
    const { conversation_id, message_id } = payload
    const entity = { conversation_id, messages: [message_id] }
    return conversationOutcome(await append(context, entity, ['stop', payload], decide))
  }

  return {
    async begin(context, payload, start, refusal) {
      const { conversation_id, message_id } = payload
      const messages = [message_id, start.replaces].filter((id) => id !== undefined)
      const entity = { conversation_id, messages, streaming: true }
      const appended = await append(
        context,
        entity,
        ['reply', payload],
        (held, decisionContext) => {
          if (refusal && !findReply(held, start.message_id)) throw refusal
          return decideReply(held, start, decisionContext)
        },
      )
      return {
        ...(await conversationOutcome(appended)),
        reply: replyOf(appended, start.message_id),
      }
    },

    async extend(
      { user_id, conversation_id, message_id, run_id },
      { offset, text },
      cause = 'producer',
    ) {
      const piece = { message_id, run_id, offset, text }
      const entity = { conversation_id, messages: [message_id] }
      const write = (...step: string[]) =>
        append(
          byServer(user_id, 'extended', cause, run_id, offset, ...step),
          entity,
          ['extended', piece],
          (held) => decideExtend(held, piece),
        )
      const { data } = await write()
      // the part for the text is there now
      if (data && 'part' in data) await write('text')
    },

    async part({ user_id, conversation_id, message_id, run_id }, part, cause) {
      const context = byServer(user_id, 'part', cause, run_id)
      const entity = { conversation_id, messages: [message_id] }
      await append(context, entity, ['part', part], (held) =>
        decidePart(held, { message_id, run_id, part }),
      )
    },

    async describe({ user_id, conversation_id, message_id, run_id }, patch, n) {
      const context = byServer(user_id, 'described', run_id, n)
      const entity = { conversation_id, messages: [message_id] }
      await append(context, entity, ['described', patch], (held, decisionContext) =>
        decideMetadata(held, { message_id, run_id, patch }, decisionContext),
      )
    },

    async resume({ user_id, conversation_id, message_id, run_id }, offset) {
      const context = byServer(user_id, 'resumed', run_id)
      const entity = { conversation_id, messages: [message_id], streaming: true }
      const { kind } = await append(
        context,
        entity,
        ['resumed', message_id],
        (held, decisionContext) =>
          decideResume(held, { message_id, run_id, offset }, decisionContext),
      )
      return { resumed: kind !== 'unchanged' }
    },

    async ofHost({ user_id, conversation_id, message_id }) {
      const context = byServer(user_id, newId())
      const entity = { conversation_id, messages: [message_id] }
      const read = await append(context, entity, ['read', message_id], () => undefined)
      const message = findHostReply(read.state.held, message_id)
      return { message, outcome: await conversationOutcome(read) }
    },

    async retract({ user_id, conversation_id, message_id, run_id }) {
      const context = byServer(user_id, 'retracted', run_id)
      const entity = { conversation_id, messages: [message_id] }
      await append(context, entity, ['retracted', run_id], (held, decisionContext) =>
        decideRetract(held, { message_id, run_id }, decisionContext),
      )
    },

    async finish(
      { user_id, conversation_id, message_id, run_id },
      { status, metadata, by },
      cause = 'producer',
    ) {
      const ending = { message_id, run_id, status, metadata, by }
      const context = byServer(user_id, 'finished', cause, run_id)
      const entity = { conversation_id, messages: [message_id] }
      await append(context, entity, ['finished', cause, run_id], (held, decisionContext) =>
        decideFinish(held, ending, decisionContext),
      )
    },

    stop: (context, payload, metadata) =>
      stopStreaming(context, payload, (held, decisionContext) =>
        decideStop(
          held,
          { message_id: payload.message_id, metadata, by: actorOf(context) },
          decisionContext,
        ),
      ),
    askToStop: (context, payload) =>
      stopStreaming(context, payload, (held) => decideStopRequest(held, payload.message_id)),

    async isOpen({ user_id, conversation_id, message_id }) {
      const document = await readConversation(database, user_id, conversation_id)
      if (!document) return true
      if (!isLive(document)) return false
      const name = { user_id, conversation_id, id: message_id }
      const status = await readMessageStatus(database, name)
      return status === undefined || status === 'streaming'
    },

    async obstacle(user_id, conversation_id) {
      await log.projectToHead(user_id, 'conversations')
      const document = await readConversation(database, user_id, conversation_id)
      if (!isLive(document)) return noSuchConversation()
      if (document.encryption) return noReplies()
      const streaming = await findStreamingMessageIds(database, user_id, conversation_id)
      return streaming.length > 0 ? new Fault('already_replying') : undefined
    },

    async upTo({ user_id, conversation_id, message_id }, limit) {
      await log.projectToHead(user_id, 'conversations')
      const chain: MessageDocument[] = []
      for (let next: string | null = message_id; next !== null; next = chain.at(-1)!.replaces) {
        const [found] = await readMessages(database, [{ user_id, conversation_id, id: next }])
        if (!found || found.position >= (chain.at(-1)?.position ?? Infinity)) break
        chain.push(found)
      }
      const first = chain.at(-1)
      if (!first) return { messages: [], removed: [] }
      const placesBefore = (before: number) =>
        readPlaces(database, user_id, conversation_id, { before, limit })
      let places = [...(await placesBefore(first.position)), ...chain.reverse()]
      // A thread that continues an older version goes on at that version's place, however far back.
      for (let windows = 1; windows < MAX_WINDOWS; windows++) {
        const { messages, removed } = await toHeldMessages(places)
        const branch = branchOf(messages, messages.at(-1), removed)
        if (branch.length === 0 || branch.length >= limit) break
        const { follows } = threadsIn(messages, removed).first(branch[0]!)
        if (follows === undefined || [...messages, ...removed].some(({ id }) => id === follows))
          break
        const [followed] = await readMessages(database, [{ user_id, conversation_id, id: follows }])
        if (!followed || followed.position >= places[0]!.position) break
        places = [...(await placesBefore(followed.position + 1)), ...places]
      }
      return toHeldMessages(places)
    },
  }
}
