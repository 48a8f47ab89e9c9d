export interface RepeatOptions {
  /** Time before the first run (ms). By default, the first run starts at once. */
  firstAfterMs?: number
  /** Receives the error of a failed run. The next run starts after the interval as usual. */
  failed(error: unknown): void
}

/**
 * Runs `job` again and again: one run at a time, with `intervalMs` between the end of a run and the
 * start of the next. The timer does not keep the process alive.
 *
 * @returns a function that stops the repetition and resolves when the current run has ended
 */
export function repeatEvery(
  intervalMs: number,
  job: () => Promise<void>,
  { firstAfterMs = 0, failed }: RepeatOptions,
): () => Promise<void> {
  let isStopped = false
  let timer: NodeJS.Timeout | undefined
  let running = Promise.resolve()
  const wait = (ms: number) => {
    if (!isStopped) timer = setTimeout(run, ms).unref()
  }
  const run = () => {
    running = job()
      .catch(failed)
      .then(() => wait(intervalMs))
  }
  if (firstAfterMs > 0) wait(firstAfterMs)
  else run()
  return async () => {
    isStopped = true
    clearTimeout(timer)
    await running
  }
}
