import type { Answer, Asked } from '../../protocol/rest.ts'
import type { Log } from '../log/log.ts'
import { conversationAt } from '../log/rewind.ts'
import type { Database } from '../store/database.ts'

export interface RewindUseCases {
  /** The conversation as it was at a `seq` or a time, the trash included. Throws `not_found` outside of what the log still tells. */
  at(user_id: string, id: string, query: Asked<'getConversationAt'>['query']): Promise<Answer<'getConversationAt'>>
}

export const createRewind = (database: Database, log: Log): RewindUseCases => ({
  at(user_id, id, { seq, time, ...window }) {
    const moment = time === undefined ? { seq: seq! } : { time: new Date(time) }
    return conversationAt(database, log, user_id, id, moment, window)
  },
})
