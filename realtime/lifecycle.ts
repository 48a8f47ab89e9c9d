// How a server ends: what was started last stops first, once, whoever asks how often.
import type { Logger } from './log.ts'

/** A step may take this long before the next one starts anyway (ms). */
const STEP_MS = 10_000

export interface Stops {
  add(name: string, stop: () => Promise<void> | void): void
  /** Runs all steps, last added first. A second call joins the first. Never rejects. */
  run(): Promise<void>
}

export function stopOnce(logger: Logger): Stops {
  const steps: { name: string; stop: () => Promise<void> | void }[] = []
  let running: Promise<void> | undefined

  async function runAll(): Promise<void> {
    for (const { name, stop } of steps.reverse()) {
      let timer: NodeJS.Timeout | undefined
      const late = new Promise<void>((resolve) => {
        timer = setTimeout(() => {
          logger.error({ step: name }, 'a step of the stop takes too long, going on')
          resolve()
        }, STEP_MS)
      })
      const step = Promise.resolve().then(stop).catch((error: unknown) => logger.error({ err: error, step: name }, 'a step of the stop failed')) // prettier-ignore
      await Promise.race([step, late])
      clearTimeout(timer)
    }
  }

  return {
    add: (name, stop) => void steps.push({ name, stop }),
    run: () => (running ??= runAll()),
  }
}

/** Repeats `job` at an interval (ms), one run at a time, from now on; failures are logged. Answers how to stop it. */
export function every(interval: number, job: () => Promise<void>, logger: Logger): () => Promise<void> {
  let stopped = false
  let timer: NodeJS.Timeout | undefined
  let running = Promise.resolve()
  const tick = () => {
    running = job()
      .catch((error: unknown) => logger.warn({ err: error }, 'a repeated job failed'))
      .then(() => {
        if (!stopped) timer = setTimeout(tick, interval).unref()
      })
  }
  tick()
  return async () => {
    stopped = true
    clearTimeout(timer)
    await running
  }
}
