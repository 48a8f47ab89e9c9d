// Finds texts that the database can't look into. They are opened and compared here, with turns for
// others in between, for no longer than the time that the use case has.
import { setImmediate as nextTurn } from 'node:timers/promises'
import { piecesOf } from '../../concurrency/text-pieces.ts'
import type { TimeBudget } from '../time-budget.ts'

/** How long one turn of the event loop may compare (ms). */
const TURN_MS = 8

/** The items whose text matches the pattern, in their order. Throws `TimeOver`. */
export async function* findSealedText<T>(
  items: AsyncIterable<T>,
  textOf: (item: T) => string,
  pattern: string,
  time: TimeBudget,
): AsyncGenerator<T> {
  const regex = new RegExp(pattern, 'u')
  let turnEnds = performance.now() + TURN_MS
  for await (const item of items) {
    for (const { piece } of piecesOf(textOf(item))) {
      const found = regex.test(piece)
      if (performance.now() > turnEnds) {
        time.check()
        await nextTurn()
        turnEnds = performance.now() + TURN_MS
      }
      if (!found) continue
      yield item
      break
    }
  }
}
