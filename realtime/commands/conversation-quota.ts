// How many conversations a user may have. Counting them with each new one would cost more than
// creating it. But one change adds or removes at most one conversation. So a count stays right
// within one for each change since, and it is repeated only when that could matter.
import { Fault } from '@lockstep/protocol/errors'
import { limits } from '@lockstep/protocol/limits'
import type { Log } from '../log/log.ts'
import { countConversations } from '../store/conversations.ts'
import type { Database } from '../store/database.ts'

/** How many counts are kept: those of users who are near the limit. */
const REMEMBERED = 1_000

export interface ConversationQuota {
  /**
   * Whether a user whose topic conversations is at `seq` has as many conversations as allowed, the
   * trash included.
   */
  isFull(user_id: string, seq: number): Promise<boolean>
}

/** Counts documents, so it first brings them up to the log. */
export const createConversationQuota = (
  database: Database,
  log: Pick<Log, 'projectToHead'>,
  most?: number,
): ConversationQuota =>
  countingQuota(async (user_id) => {
    await log.projectToHead(user_id, 'conversations')
    return countConversations(database, user_id)
  }, most)

/**
 * @param count counts a user's conversations that aren't purged
 */
export function countingQuota(
  count: (user_id: string) => Promise<number>,
  most: number = limits.conversationsPerUser,
): ConversationQuota {
  const counted = new Map<string, { count: number; seq: number }>()
  return {
    async isFull(user_id, seq) {
      if (seq < most) return false // each change added at most one
      const known = counted.get(user_id)
      const since = known ? Math.abs(seq - known.seq) : Infinity
      if (known && known.count + since < most) return false
      if (known && known.count - since >= most) return true
      const now = { count: await count(user_id), seq }
      counted.delete(user_id)
      counted.set(user_id, now)
      if (counted.size > REMEMBERED) counted.delete(counted.keys().next().value!)
      return now.count >= most
    },
  }
}

export const quotaReached = (): Fault =>
  new Fault('invalid', {
    detail: 'You have the maximum number of conversations: purge some first',
    reason: 'full',
  })
