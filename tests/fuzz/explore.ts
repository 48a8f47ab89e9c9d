// Plays random histories until one fails, and reports how to play that one again. The invariant: a
// failure is reported within the test's time, with the shortest history found until then. If none
// fails, all histories were played.
import fc from 'fast-check'

export interface Exploration<T> {
  histories: fc.Arbitrary<T>
  count: number
  seed: number
  /** The path of a failure that was reported before: plays only that history. */
  path?: string
  /** How long a failed history may be shrunk; milliseconds from the failure. */
  shrinkMs: number
  /**
   * Rejects if the history fails. `shrinking`: another history has failed, and this one is shorter.
   */
  playHistory(history: T, shrinking: boolean): Promise<void>
  /** The command that plays a history again, without its seed and path. */
  command: string
}

/**
 * Throws a report of the shortest history that failed: seed, path, steps and the error. It also has
 * the first error: shorter histories may fail otherwise, on servers that the first failure broke.
 */
export async function explore<T>(exploration: Exploration<T>): Promise<void> {
  const { histories, count, seed, path, shrinkMs, playHistory, command } = exploration
  let deadline: number | undefined
  let first: unknown
  const property = fc.asyncProperty(histories, async (history) => {
    // Pretending that it holds makes fast-check report the shortest failure so far.
    if (deadline !== undefined && performance.now() > deadline) return
    try {
      await playHistory(history, deadline !== undefined)
    } catch (error) {
      deadline ??= performance.now() + shrinkMs
      first ??= error
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
  const report = `The first failure was: ${String(first)}\n${fc.defaultReportMessage(details)}`
  throw new Error(`${replay}\n${report}`, { cause: details.errorInstance })
}
