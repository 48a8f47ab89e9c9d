import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from '../observability/logger.ts'
import { backoffMs } from './backoff.ts'

const RETRY_MS = [200, 5_000] as const

/**
 * Repeats `job` with growing waits until it succeeds or `signal` aborts. Never rejects.
 *
 * @param what completes the log text "could not …"
 */
export async function retryUntilDone(
  what: string,
  job: () => Promise<void>,
  { logger, signal }: { logger: Logger; signal: AbortSignal },
): Promise<void> {
  for (let attempt = 1; !signal.aborted; attempt++) {
    try {
      return await job()
    } catch (error) {
      logger.warn({ err: error, attempt }, `could not ${what}`)
      await sleep(backoffMs(attempt, RETRY_MS), undefined, { signal }).catch(() => undefined)
    }
  }
}
