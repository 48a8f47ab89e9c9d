// Reads a conversation as it was at an earlier moment, and brings it back to that state.
import type { ConversationCommands } from '@lockstep/protocol/conversations'
import { decideRewind } from '@lockstep/protocol/decide/rewind'
import { Fault } from '@lockstep/protocol/errors'
import type { Answer, Asked } from '@lockstep/protocol/rest'
import { conversationAt } from '../log/conversation-at.ts'
import type { CommandContext } from '../log/entry.ts'
import type { Log } from '../log/log.ts'
import type { Database } from '../store/database.ts'
import {
  conversationOutcome,
  type AnswerOptions,
  type ConversationOutcome,
} from './conversation-outcome.ts'

export interface RewindUseCases {
  /**
   * The conversation as it was at a `seq` or a time, even if it is in the trash now. Throws
   * `not_found` if the log can't tell.
   */
  at(
    user_id: string,
    id: string,
    query: Asked<'getConversationAt'>['query'],
  ): Promise<Answer<'getConversationAt'>>
  /**
   * Brings the conversation back to an earlier state by one change. Throws `not_found` in the same
   * cases as `at`, and for a conversation in the trash; `already_replying`; `too_large` above 4 MB,
   * or if more messages have been edited since then than a request may contain.
   */
  back(
    context: CommandContext,
    payload: ConversationCommands['rewind'],
    options?: AnswerOptions,
  ): Promise<ConversationOutcome>
}

export const createRewind = (database: Database, log: Log): RewindUseCases => ({
  at(user_id, conversation_id, { seq, time, ...window }) {
    const moment = time === undefined ? { seq: seq! } : { time: new Date(time) }
    return conversationAt(database, log, { user_id, conversation_id }, moment, window)
  },

  async back(context, { conversation_id, seq }, options = {}) {
    const appended = await log.append({
      context,
      topic: 'conversations',
      entity_id: conversation_id,
      identity: ['rewind', conversation_id, seq],
      needs: { asOf: seq, newest: options.newest },
      decide({ held, earlier }, decisionContext) {
        if (earlier === undefined || earlier instanceof Fault)
          throw earlier ?? new Fault('not_found')
        return decideRewind(held, earlier, decisionContext)
      },
    })
    return conversationOutcome(appended, options)
  },
})
