import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from '../observability/logger.ts'

const LONGEST_MS = 5_000

/** Repeats `job` with growing, jittered waits until it succeeds or the signal aborts; never rejects. */
export async function retrying(
  what: string,
  logger: Logger,
  signal: AbortSignal,
  job: () => Promise<void>,
): Promise<void> {
  for (let attempt = 1; !signal.aborted; attempt++) {
    try {
      return await job()
    } catch (error) {
      logger.warn({ err: error, attempt }, `could not ${what}`)
      const ms = Math.random() * Math.min(LONGEST_MS, 100 * 2 ** attempt)
      await sleep(ms, undefined, { signal }).catch(() => undefined)
    }
  }
}
