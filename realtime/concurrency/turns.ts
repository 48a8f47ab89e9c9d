// Divides the work of large commands among turns of the event loop, so that everybody else is
// served in between. Each step alone is short enough; without this, all steps of a command that
// waits for nothing would run in one turn.
import { setImmediate as nextTurn } from 'node:timers/promises'

/** A turn that has worked for longer than this takes no further step (ms). */
const ENOUGH_MS = 10

let began: number | undefined

/** Counts the work of this turn from now on, unless it is counted already. */
export function beginWork(): number {
  if (began === undefined) {
    began = performance.now()
    setImmediate(() => (began = undefined))
  }
  return began
}

/** To be awaited between two steps. Resolves in a later turn if this one has worked long enough. */
export async function shareTurn(): Promise<void> {
  if (performance.now() - beginWork() <= ENOUGH_MS) return
  await nextTurn()
  beginWork()
}
