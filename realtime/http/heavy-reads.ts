// The reads whose cost grows with what a user has stored. Each user has one of each kind at a time;
// the others wait for their turn, so that a crowd of them costs the database no more than one.
import type { ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { Fault } from '@lockstep/protocol/errors'
import type { RouteName } from '@lockstep/protocol/route-paths'
import { KeyedSlots } from '../concurrency/keyed-slots.ts'

const heavy: { readonly [Name in RouteName]?: (query: Record<string, unknown>) => boolean } = {
  listActivity: () => true,
  listConversations: ({ q, messages }) => q !== undefined || messages !== undefined,
  getConversationAt: () => true,
  getConversationMarkdown: () => true,
  exportMe: () => true,
}

/** How many reads of one kind may wait for each user; further ones are refused. */
const MAX_WAITING = 20
const RETRY_MS = 1_000

export interface HeavyReads {
  /**
   * Runs `work` when it is this read's turn. If `work` returns a stream, the turn lasts until the
   * stream is sent. Throws `rate_limited` if too many wait, and `unavailable` if nobody waits for
   * the answer any more.
   */
  run<T>(read: HeavyRead, response: ServerResponse, work: () => Promise<T>): Promise<T>
}

interface HeavyRead {
  name: RouteName
  query: Record<string, unknown>
  user_id: string
}

export function createHeavyReads(): HeavyReads {
  const slots = new KeyedSlots(1, MAX_WAITING)
  return {
    async run({ name, query, user_id }, response, work) {
      if (!heavy[name]?.(query)) return work()
      const slot = slots.enter(`${name} ${user_id}`)
      if (!slot) throw new Fault('rate_limited', { retry_after_ms: RETRY_MS })
      let isStreaming = false
      const giveUp = () => slot.leave()
      response.once('close', giveUp)
      try {
        await slot.ready
        response.off('close', giveUp)
        if (response.closed) throw new Fault('unavailable')
        const answer = await work()
        isStreaming = answer instanceof Readable && !response.closed
        if (isStreaming) response.once('close', giveUp)
        return answer
      } finally {
        if (!isStreaming) slot.leave()
      }
    },
  }
}
