// What nobody asks for but everybody expects: the trash is purged after 30 days, purges stay purged, old entries lose their content.
// Every step is idempotent, so all nodes may do it; each starts at a random moment.
import { derivedId } from '../log/entry.ts'
import { sweep } from '../log/projection/conversations.ts'
import type { Logger } from '../observability/logger.ts'
import { expireContent } from '../store/changes.ts'
import { conversationIdOf, findPurgedSince, findTrashedBefore } from '../store/conversations.ts'
import type { Database } from '../store/database.ts'
import type { Conversations } from './conversations.ts'

const HOUR = 3_600_000
const DAY = 24 * HOUR
export const TRASH_DAYS = 30
/** How long after a purge a stalled node might still write a message back. */
const SWEEP_AGAIN_MS = DAY
const BATCH = 200

export interface Housekeeping {
  /** Does all that is due at `now` (milliseconds). */
  run(now: number): Promise<void>
  stop(): Promise<void>
}

export function startHousekeeping(
  database: Database,
  conversations: Conversations,
  { logRetentionDays, logger }: { logRetentionDays: number; logger: Logger },
): Housekeeping {
  let stopped = false
  let running: Promise<void> = Promise.resolve()
  let timer = setTimeout(tick, Math.random() * HOUR)
  timer.unref()

  function tick() {
    running = run(Date.now()).catch((error: unknown) =>
      logger.warn({ err: error }, 'housekeeping failed, will be repeated'),
    )
    timer = setTimeout(tick, HOUR)
    timer.unref()
  }

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
      const request = {
        user_id,
        session_id: null,
        device: 'Lockstep',
        mutation_id: derivedId('purge', _id, version),
      }
      await conversations.purgeTrashed(request, conversationIdOf(_id), before)
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
      clearTimeout(timer)
      await running
    },
  }
}
