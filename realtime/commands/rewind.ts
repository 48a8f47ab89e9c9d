// A conversation as it was, and bringing that back.
import type { ConversationCommands, Summary } from '../../protocol/conversations.ts'
import { live } from '../../protocol/decide/conversations.ts'
import { decideRewind } from '../../protocol/decide/rewind.ts'
import type { HeldConversation } from '../../protocol/reduce/conversation.ts'
import type { Answer, Asked } from '../../protocol/rest.ts'
import { fingerprintOf } from '../log/entry.ts'
import type { Log } from '../log/log.ts'
import { conversationAt, entriesSince, messagesOf, notThen, undo } from '../log/rewind.ts'
import type { Undoable } from '../store/changes.ts'
import type { Database } from '../store/database.ts'
import type { Outcome, Request } from './commands.ts'
import { outcomeOf, withStreaming } from './held-conversation.ts'

export interface RewindUseCases {
  /** The conversation as it was at a `seq` or a time, the trash included. Throws `not_found` outside of what the log still tells. */
  at(user_id: string, id: string, query: Asked<'getConversationAt'>['query']): Promise<Answer<'getConversationAt'>>
  /** Brings it back to what it was, by one change. Throws `not_found` as `at` does, and in the trash; `already_replying`; `too_large` above 4 MB. */
  back(request: Request, payload: ConversationCommands['rewind']): Promise<Outcome<Summary | null>>
}

export const createRewind = (database: Database, log: Log): RewindUseCases => ({
  at(user_id, id, { seq, time, ...window }) {
    const moment = time === undefined ? { seq: seq! } : { time: new Date(time) }
    return conversationAt(database, log, user_id, id, moment, window)
  },

  async back(request, { conversation_id: id, seq }) {
    let since: Undoable[] | undefined
    const appended = await log.append<HeldConversation>({
      caller: request,
      topic: 'conversations',
      mutation_id: request.mutation_id,
      fingerprint: fingerprintOf(['rewind', id, seq]),
      async load(hot) {
        since = await entriesSince(database, hot.user_id, id, { seq, head: hot.seq })
        return withStreaming(database, id, messagesOf(since ?? []))(hot)
      },
      decide(held, context) {
        const conversation = live(held)
        if (!since) throw notThen()
        return decideRewind(held, since.reduce(undo, conversation), context)
      },
    })
    return outcomeOf(database, log, request.user_id, appended)
  },
})
