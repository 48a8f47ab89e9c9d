// Reads heads of topics. Requests made at about the same time share one query. The invariant: each
// answer comes from a query that began after the request. Otherwise a device could take an old head
// for the present one.
import type { Cursor } from '@lockstep/protocol/cursor'
import { Fault } from '@lockstep/protocol/errors'
import type { Topic } from '@lockstep/protocol/topics'
import type { Log } from '../log/log.ts'
import { logKey } from './connection.ts'

const HEADS_PER_QUERY = 500
const QUERIES_AT_ONCE = 2

export interface HeadReader {
  /** Rejects with `not_found` if the user does not exist. */
  read(user_id: string, topic: Topic): Promise<Cursor>
}

export function createHeadReader(log: Pick<Log, 'heads'>): HeadReader {
  /** By `logKey`. */
  const requests = new Map<string, PromiseWithResolvers<Cursor>>()
  let running = 0
  let isScheduled = false

  function schedule(): void {
    if (isScheduled || running >= QUERIES_AT_ONCE || requests.size === 0) return
    isScheduled = true
    setImmediate(() => {
      isScheduled = false
      void query()
      schedule()
    })
  }

  async function query(): Promise<void> {
    const batch = [...requests].slice(0, HEADS_PER_QUERY)
    for (const [key] of batch) requests.delete(key)
    running++
    try {
      const heads = await log.heads(batch.map(([key]) => key))
      for (const [key, { resolve, reject }] of batch) {
        const head = heads.get(key)
        if (head) resolve({ ...head })
        else reject(new Fault('not_found', { detail: 'This user does not exist' }))
      }
    } catch (error) {
      for (const [, { reject }] of batch) reject(error)
    } finally {
      running--
      schedule()
    }
  }

  return {
    read(user_id, topic) {
      const key = logKey(user_id, topic)
      let request = requests.get(key)
      if (!request) requests.set(key, (request = Promise.withResolvers<Cursor>()))
      schedule()
      return request.promise
    },
  }
}
