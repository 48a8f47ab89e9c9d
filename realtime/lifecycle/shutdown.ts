// The shutdown of a server. Parts stop in the reverse order of their start, once, however often the
// shutdown is requested. It ends within a bounded time, because whoever stops a node kills it after
// a deadline of their own.
import type { Logger } from '../observability/logger.ts'

/** Milliseconds. */
export const shutdownTimings = {
  /**
   * In production, a node that has become unready keeps serving for this long, until load balancers
   * have noticed. It must be longer than the interval of their checks.
   */
  leave: 3_000,
  /** How long devices may take to move to another node. */
  drain: 2_000,
  /** After this time, the next step starts even if the current one has not ended. */
  step: 10_000,
  /**
   * Limit for all steps together. It is below `stop_grace_period` (Compose) and
   * `terminationGracePeriodSeconds` (Kubernetes), after which a node is killed.
   */
  total: 25_000,
}

export interface Shutdown {
  /** Adds a step. The step added last runs first. */
  add(name: string, stop: () => Promise<void> | void): void
  /**
   * Runs all steps. When the total time is used up, the remaining steps are still started but no
   * longer awaited. A second call joins the first. Never rejects.
   */
  run(): Promise<void>
}

export function createShutdown(
  logger: Logger,
  timings: Pick<typeof shutdownTimings, 'step' | 'total'> = shutdownTimings,
): Shutdown {
  const steps: { name: string; stop: () => Promise<void> | void }[] = []
  let running: Promise<void> | undefined

  async function runAll(): Promise<void> {
    const deadline = performance.now() + timings.total
    for (const { name, stop } of steps.reverse()) {
      let timer: NodeJS.Timeout | undefined
      const timeout = new Promise<void>((resolve) => {
        const ms = Math.max(0, Math.min(timings.step, deadline - performance.now()))
        timer = setTimeout(() => {
          logger.error({ step: name }, 'a shutdown step takes too long; going on without it')
          resolve()
        }, ms)
      })
      const step = Promise.resolve()
        .then(stop)
        .catch((error: unknown) =>
          logger.error({ err: error, step: name }, 'a shutdown step failed'),
        )
      await Promise.race([step, timeout])
      clearTimeout(timer)
    }
  }

  return {
    add: (name, stop) => void steps.push({ name, stop }),
    run: () => (running ??= runAll()),
  }
}
