// Work that is due without a request: the trash is purged after 30 days, purged content is removed
// again if it was written back, and old entries lose their content. Every step is idempotent, so
// all nodes may do it. Each node starts at a random moment.
import { repeatEvery } from '../concurrency/repeat.ts'
import { derivedId } from '../log/derived-id.ts'
import { SERVER_DEVICE } from '../log/entry.ts'
import { sweep } from '../log/projection/conversations.ts'
import type { Logger } from '../observability/logger.ts'
import { expireContent } from '../store/changes.ts'
import { conversationIdOf, findPurgedSince, findTrashedBefore } from '../store/conversations.ts'
import type { Database } from '../store/database.ts'
import type { Conversations } from './conversations.ts'

const HOUR = 3_600_000
const DAY = 24 * HOUR
export const TRASH_DAYS = 30
/** How long after a purge a node that had stalled might still write a message back (ms). */
const SWEEP_AGAIN_MS = DAY
const BATCH = 200

export interface Housekeeping {
  /** Does everything that is due at `now` (ms since 1970). */
  run(now: number): Promise<void>
  stop(): Promise<void>
}

export function startHousekeeping(
  database: Database,
  conversations: Conversations,
  { logRetentionDays, logger }: { logRetentionDays: number; logger: Logger },
): Housekeeping {
  let stopped = false
  const end = repeatEvery(HOUR, () => run(Date.now()), {
    firstAfterMs: Math.random() * HOUR,
    failed: (error) => logger.warn({ err: error }, 'housekeeping failed, will be repeated'),
  })

  async function run(now: number): Promise<void> {
    await inBatches(() => purgeTrash(new Date(now - TRASH_DAYS * DAY)))
    for (const { _id, user_id, seq } of await findPurgedSince(
      database,
      new Date(now - SWEEP_AGAIN_MS),
      10_000,
    ))
      if (!stopped) await sweep(database, user_id, conversationIdOf(_id), seq)
    await inBatches(() => expireContent(database, new Date(now - logRetentionDays * DAY), BATCH))
  }

  async function purgeTrash(before: Date): Promise<number> {
    const due = await findTrashedBefore(database, before, BATCH)
    for (const { _id, user_id, version } of due) {
      const context = {
        user_id,
        session_id: null,
        device: SERVER_DEVICE,
        mutation_id: derivedId('purge', _id, version),
      }
      await conversations.purgeTrashed(context, conversationIdOf(_id), before)
    }
    return due.length
  }

  async function inBatches(step: () => Promise<number>): Promise<void> {
    while (!stopped && (await step()) >= BATCH);
  }

  return {
    run,
    async stop() {
      stopped = true
      await end()
    },
  }
}
