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

const ATTEMPTS = 8

/**
 * The least that the longest turn took in up to eight runs of `measure`, which resolves to it (ms).
 * Linux counts processor time in ticks of some milliseconds, so a single measurement of a turn may
 * be a third too long. Neighbours that share caches and memory with this process make all of its
 * work take more processor time, so a turn that is too long is put in relation to known work.
 */
export async function longestTurnAtBest(measure: () => Promise<number>): Promise<number> {
  const longestMs = await atBest(MAX_TURN_MS, measure, ATTEMPTS)
  return longestMs < MAX_TURN_MS ? longestMs : longestMs / slowdown()
}

/** What `knownWork` takes on a machine of 2 cores that does nothing else (ms). */
const KNOWN_WORK_MS = 45
const keys = Array.from({ length: 14_000 }, (_, n) => [`${'k'.repeat(85)}${n}`, {}])
const manyKeys = JSON.stringify(Object.fromEntries(keys))

function knownWork(): number {
  const began = threadCpuMs()
  for (let n = 0; n < 8; n++) JSON.parse(manyKeys)
  return threadCpuMs() - began
}

/** How many times longer this process takes for its work now; at least 1. */
export const slowdown = (): number =>
  Math.max(1, Math.min(...Array.from({ length: ATTEMPTS }, knownWork)) / KNOWN_WORK_MS)
