// Waiting for conditions: a condition is checked again until it holds or its deadline has passed.
import { setTimeout as pause } from 'node:timers/promises'

export interface EventuallyOptions {
  /** Milliseconds until the wait fails. The default of 15,000 allows for a slow machine. */
  within?: number
  /** Describes the condition in the error's message. */
  what?: string
}

/**
 * Calls `condition` every few milliseconds, and less often the longer it takes, until it neither
 * throws nor returns false or undefined. Resolves to what it returned. At the deadline, rejects
 * with the last error (an assertion keeps its diff), or with a description of the condition.
 */
export async function eventually<T>(
  condition: () => T | Promise<T>,
  patience: EventuallyOptions = {},
) {
  const { within = 15_000, what = condition.toString() } = patience
  const began = Date.now()
  const deadline = began + within
  for (let wait = 2; ; wait = Math.min(wait * 1.5, 50 + (Date.now() - began) / 20, 250)) {
    let failure: unknown
    try {
      const value = await condition()
      if (value !== false && value !== undefined) return value as Exclude<T, false | undefined>
    } catch (error) {
      failure = error
    }
    if (Date.now() > deadline) throw timeoutError(failure, within, what)
    await pause(wait)
  }
}

function timeoutError(failure: unknown, within: number, what: string): Error {
  const message = `did not come true within ${within} ms: ${what}`
  if (!(failure instanceof Error)) return new Error(message)
  failure.message = `${failure.message}\n(${message})`
  return failure
}

/**
 * The least of up to `turns` measurements. A busy machine makes single ones too long, so a test
 * that something is quick measures again until one is below `limit`.
 */
export async function atBest(
  limit: number,
  measure: () => Promise<number>,
  turns = 3,
): Promise<number> {
  let best = Infinity
  for (let turn = 0; turn < turns && best >= limit; turn++) best = Math.min(best, await measure())
  return best
}

/**
 * How long something that `work` does once may take on this machine while something else has to
 * happen after it (ms): ten times as long as now, and at least `least`.
 */
export async function timeFor(work: () => Promise<unknown>, least: number): Promise<number> {
  const began = performance.now()
  await work()
  return Math.max(least, Math.ceil(10 * (performance.now() - began)))
}

/**
 * Resolves as `work` does. Rejects with an error that names `what` if that takes longer than `ms`.
 */
export async function within<T>(ms: number, what: string, work: Promise<T>): Promise<T> {
  const timeout = new AbortController()
  const deadline = pause(ms, undefined, { signal: timeout.signal }).then(() => {
    throw new Error(`${what} took longer than ${ms} ms`)
  })
  deadline.catch(() => undefined)
  try {
    return await Promise.race([work, deadline])
  } finally {
    timeout.abort()
  }
}
