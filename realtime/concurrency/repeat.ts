import { setTimeout as sleep } from 'node:timers/promises'

export interface Repetition {
  /** Starts no further run. Resolves when the current run, if there is one, has ended. */
  stop(): Promise<void>
}

export interface RepeatOptions {
  /** Time before the first run (ms). By default, the first run starts at once. */
  firstAfterMs?: number
  /** Receives the error of a failed run. The next run starts after the interval as usual. */
  onError(error: unknown): void
}

/**
 * Runs `job` again and again: one run at a time, with `intervalMs` between the end of a run and the
 * start of the next. The timer does not keep the process alive.
 */
export function repeatEvery(
  intervalMs: number,
  job: () => Promise<void>,
  { firstAfterMs = 0, onError }: RepeatOptions,
): Repetition {
  const stopping = new AbortController()
  const { signal } = stopping
  const wait = (ms: number) => sleep(ms, undefined, { ref: false, signal }).catch(() => undefined)

  async function run(): Promise<void> {
    if (firstAfterMs > 0) await wait(firstAfterMs)
    while (!signal.aborted) {
      try {
        await job()
      } catch (error) {
        onError(error)
      }
      await wait(intervalMs)
    }
  }

  const running = run()
  return {
    stop() {
      stopping.abort()
      return running
    },
  }
}
