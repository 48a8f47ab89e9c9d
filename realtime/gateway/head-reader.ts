// Reads heads of topics for devices that join. Tabs that join at about the same time, with all
// their topics, share one query.
import type { Cursor } from '@lockstep/protocol/cursor'
import { Fault } from '@lockstep/protocol/errors'
import type { Topic } from '@lockstep/protocol/topics'
import { BatchReader } from '../concurrency/batch-reader.ts'
import type { Log } from '../log/log.ts'
import { logKey } from './connection.ts'

export interface HeadReader {
  /** Rejects with `not_found` if the user does not exist. */
  read(user_id: string, topic: Topic): Promise<Cursor>
}

export function createHeadReader(log: Pick<Log, 'heads'>): HeadReader {
  const heads = new BatchReader<Cursor>((keys) => log.heads(keys))
  return {
    async read(user_id, topic) {
      const head = await heads.read(logKey(user_id, topic))
      if (!head) throw new Fault('not_found', { detail: 'This user does not exist' })
      return { ...head }
    },
  }
}
