import type { Logger } from '../observability/logger.ts'

/** The time after a node's start that belongs to the first requests (ms). */
const LATER_MS = 200

/**
 * Loads code that a start doesn't need some time after it, so that a start is fast and later nobody
 * waits for the code. Whoever needs it earlier loads it then.
 *
 * @returns a function that gives it up
 */
export function loadLater(loads: readonly (() => Promise<unknown>)[], logger: Logger): () => void {
  const failed = (error: unknown) =>
    logger.warn({ err: error }, 'what belongs to this program can’t be loaded')
  const loadAll = () => {
    for (const load of loads) load().catch(failed)
  }
  const timer = setTimeout(loadAll, LATER_MS).unref()
  return () => clearTimeout(timer)
}
