// How a server ends: what was started last stops first, once, whoever asks how often, and within a time that those know who wait for it.
import type { Logger } from '../observability/logger.ts'

/** Milliseconds. */
export const stopTimings = {
  /** In production a node that isn't ready any more goes on serving until load balancers know: longer than their interval of checks. */
  leave: 3_000,
  /** Devices have so long to move over. */
  drain: 2_000,
  /** A step may take this long before the next one starts anyway. */
  step: 10_000,
  /** All of them: less than `stop_grace_period` and `terminationGracePeriodSeconds`, behind which a node is killed. */
  total: 25_000,
}

export interface Stops {
  add(name: string, stop: () => Promise<void> | void): void
  /** Runs all steps, last added first; those that the total leaves no time for are begun. A second call joins the first. Never rejects. */
  run(): Promise<void>
}

export function stopOnce(
  logger: Logger,
  timings: Pick<typeof stopTimings, 'step' | 'total'> = stopTimings,
): Stops {
  const steps: { name: string; stop: () => Promise<void> | void }[] = []
  let running: Promise<void> | undefined

  async function runAll(): Promise<void> {
    const deadline = performance.now() + timings.total
    for (const { name, stop } of steps.reverse()) {
      let timer: NodeJS.Timeout | undefined
      const late = new Promise<void>((resolve) => {
        const patience = Math.max(0, Math.min(timings.step, deadline - performance.now()))
        timer = setTimeout(() => {
          logger.error({ step: name }, 'a step of the stop takes too long, going on')
          resolve()
        }, patience)
      })
      const step = Promise.resolve()
        .then(stop)
        .catch((error: unknown) =>
          logger.error({ err: error, step: name }, 'a step of the stop failed'),
        )
      await Promise.race([step, late])
      clearTimeout(timer)
    }
  }

  return {
    add: (name, stop) => void steps.push({ name, stop }),
    run: () => (running ??= runAll()),
  }
}
