// Plays random histories until one fails, and says how to play that one again. The invariant: a failure is reported within the test's time,
// as short as the history could be made until then; without one, all were played.
import fc from 'fast-check'

export interface Exploration<T> {
  histories: fc.Arbitrary<T>
  count: number
  seed: number
  /** Of a failure that was reported: only that one. */
  path?: string
  /** How long a failed history may be made shorter; milliseconds from the failure. */
  shrinkMs: number
  /** `again`: another history has failed before, this one is only of interest as a shorter one. */
  playHistory(history: T, undefined: boolean): Promise<void>
  /** What plays a history again, but for its seed and path. */
  command: string
}

/** Throws a report of the shortest history that failed: its seed, its path, its steps, and what went wrong. */
export async function explore<T>(exploration: Exploration<T>): Promise<void> {
  const { histories, count, seed, path, shrinkMs, playHistory: relive, command } = exploration
  let deadline: number | undefined
  const property = fc.asyncProperty(histories, async (history) => {
    // as if it held: then the shortest one so far is the one that is reported
    if (deadline !== undefined && performance.now() > deadline) return
    try {
      await relive(history, deadline !== undefined)
    } catch (error) {
      deadline ??= performance.now() + shrinkMs
      throw error
    }
  })
  const details = await fc.check(property, {
    numRuns: count,
    seed,
    path,
    verbose: fc.VerbosityLevel.Verbose,
  })
  if (!details.failed) return
  const replay = `Play it again: ${command} --seed ${seed} --path ${details.counterexamplePath}`
  throw new Error(`${replay}\n${fc.defaultReportMessage(details)}`, {
    cause: details.errorInstance,
  })
}
