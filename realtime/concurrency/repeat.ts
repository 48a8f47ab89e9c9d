// Work that a node repeats as long as it runs: heartbeats, sweeps, housekeeping. A run never
// overlaps the one before.

export interface RepeatOptions {
  /** Milliseconds before the first run; default 0: it begins at once. */
  firstAfterMs?: number
  /** Hears of a run that failed. The next run takes place all the same. */
  failed: (error: unknown) => void
}

/**
 * Runs `job` again and again, each time `intervalMs` milliseconds after the last run ended. It
 * doesn't keep the process alive.
 * @returns stops it; resolves when the run that is under way has ended
 */
export function repeatEvery(
  intervalMs: number,
  job: () => Promise<void>,
  { firstAfterMs = 0, failed }: RepeatOptions,
): () => Promise<void> {
  let stopped = false
  let timer: NodeJS.Timeout | undefined
  let running = Promise.resolve()
  const wait = (ms: number) => {
    if (!stopped) timer = setTimeout(run, ms).unref()
  }
  const run = () => {
    running = job()
      .catch(failed)
      .then(() => wait(intervalMs))
  }
  if (firstAfterMs > 0) wait(firstAfterMs)
  else run()
  return async () => {
    stopped = true
    clearTimeout(timer)
    await running
  }
}
