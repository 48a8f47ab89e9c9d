// A conversation as it was, and bringing that back.
import type { Conversation, ConversationCommands, Summary } from '@lockstep/protocol/conversations'
import { live } from '@lockstep/protocol/decide/conversations'
import { decideRewind } from '@lockstep/protocol/decide/rewind'
import { Fault } from '@lockstep/protocol/errors'
import { limits } from '@lockstep/protocol/limits'
import type { HeldConversation } from '@lockstep/protocol/reduce/conversation'
import type { Answer, Asked } from '@lockstep/protocol/rest'
import { fingerprintOf } from '../log/entry.ts'
import type { Hot, Log } from '../log/log.ts'
import { changedBy, conversationAt, entriesSince, undoAll } from '../log/rewind.ts'
import type { Database } from '../store/database.ts'
import type { Outcome, CommandContext } from './commands.ts'
import { outcomeOf, withStreaming } from './held-conversation.ts'

export interface RewindUseCases {
  /** The conversation as it was at a `seq` or a time, the trash included. Throws `not_found` outside of what the log still tells. */
  at(
    user_id: string,
    id: string,
    query: Asked<'getConversationAt'>['query'],
  ): Promise<Answer<'getConversationAt'>>
  /**
   * Brings it back to what it was, by one change. Throws `not_found` as `at` does, and in the trash; `already_replying`; `too_large` above
   * 4 MB, or when more messages have been edited since than a request may have.
   */
  back(
    request: CommandContext,
    payload: ConversationCommands['rewind'],
  ): Promise<Outcome<Summary | null>>
}

export const createRewind = (database: Database, log: Log): RewindUseCases => ({
  at(user_id, id, { seq, time, ...window }) {
    const moment = time === undefined ? { seq: seq! } : { time: new Date(time) }
    return conversationAt(database, log, user_id, id, moment, window)
  },

  async back(request, payload) {
    const { conversation_id: id, seq } = payload
    let then: Conversation | Fault
    const appended = await log.append<HeldConversation>({
      caller: request,
      topic: 'conversations',
      mutation_id: request.mutation_id,
      fingerprint: fingerprintOf(['rewind', id, seq]),
      async load(hot) {
        const loaded = await nowAndThen(database, hot, payload)
        then = loaded.then
        return loaded.now
      },
      decide(now, context) {
        if (then instanceof Fault) throw then
        return decideRewind(now, then, context)
      },
    })
    return outcomeOf(database, log, request.user_id, appended)
  },
})

/** What it is at the head, with what has been edited since, and what that was; or why not, which counts only when the head is the newest. */
async function nowAndThen(
  database: Database,
  hot: Hot,
  { conversation_id: id, seq }: ConversationCommands['rewind'],
) {
  try {
    const entries = await entriesSince(database, hot.user_id, id, { seq, head: hot.seq })
    const changed = await changedBy(entries())
    if (changed.size > limits.messagesPerRequest) throw tooMany()
    const now = await withStreaming(database, id, [...changed])(hot)
    return { now, then: await undoAll(live(now), entries()) }
  } catch (error) {
    if (error instanceof Fault) return { now: undefined, then: error }
    throw error
  }
}

const tooMany = () =>
  new Fault('too_large', {
    detail: 'More messages have been edited since than one change may have',
    limit_bytes: limits.changeBytes,
  })
