// Measures what everybody else feels of expensive work: how much of the processor one turn of this
// process's event loop takes. It counts processor time, so other programs on the machine don't
// matter.
import { setImmediate as nextTurn } from 'node:timers/promises'
import { atBest } from '../harness/eventually.ts'

/** No request of one person holds a turn for longer (ms). */
export const MAX_TURN_MS = 50

const threadCpuMs = (): number => {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1_000
}

/** Runs `work` and resolves to its result and the longest turn meanwhile (ms of processor time). */
export async function longestTurn<T>(
  work: () => Promise<T>,
): Promise<{ result: T; longestMs: number }> {
  let longestMs = 0
  let isOver = false
  const watch = async () => {
    for (let before = threadCpuMs(); !isOver;) {
      await nextTurn()
      const now = threadCpuMs()
      longestMs = Math.max(longestMs, now - before)
      before = now
    }
  }
  const watching = watch()
  const result = await work().finally(() => (isOver = true))
  await watching
  return { result, longestMs }
}

/**
 * The least that the longest turn took in up to eight runs of `measure`, which resolves to it (ms).
 * Linux counts processor time in ticks of some milliseconds, so a single measurement of a turn may
 * be a third too long.
 */
export const longestTurnAtBest = (measure: () => Promise<number>): Promise<number> =>
  atBest(MAX_TURN_MS, measure, 8)
