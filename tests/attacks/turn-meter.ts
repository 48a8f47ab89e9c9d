// Measures what everybody else feels of expensive work: how much of the processor one turn of this
// process's event loop takes. It counts processor time, so other programs on the machine don't
// matter.
import { atBest } from '../harness/eventually.ts'

/** No request of one person holds a turn for longer (ms). */
export const MAX_TURN_MS = 50

const threadCpuMs = (): number => {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1_000
}

/**
 * Runs `work` and resolves to its result and the longest turn meanwhile (ms of processor time). An
 * immediate that keeps nothing alive runs once at the end of every turn. It causes no turns itself,
 * so the loop sleeps while there is nothing to do.
 */
export async function longestTurn<T>(
  work: () => Promise<T>,
): Promise<{ result: T; longestMs: number }> {
  let longestMs = 0
  let before = threadCpuMs()
  let turnsEnd: NodeJS.Immediate | undefined
  const endTurn = () => {
    const now = threadCpuMs()
    longestMs = Math.max(longestMs, now - before)
    before = now
    turnsEnd = setImmediate(endTurn).unref()
  }
  turnsEnd = setImmediate(endTurn).unref()
  try {
    const result = await work()
    return { result, longestMs: Math.max(longestMs, threadCpuMs() - before) }
  } finally {
    clearImmediate(turnsEnd)
  }
}

/**
 * The least that the longest turn took in up to eight runs of `measure`, which resolves to it (ms).
 * Linux counts processor time in ticks of some milliseconds, so a single measurement of a turn may
 * be a third too long.
 */
export const longestTurnAtBest = (measure: () => Promise<number>): Promise<number> =>
  atBest(MAX_TURN_MS, measure, 8)
