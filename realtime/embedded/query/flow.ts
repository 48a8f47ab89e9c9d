// How rows and documents pass from step to step.
import type { DocumentSource } from '../cursors/cursors.ts'
import { pace, pause } from '../pace.ts'

/** What passes between two steps. A `pause` in it is passed on. */
export type Flow<T> = Iterable<T | typeof pause>

/** Leaves out the first `skip` of a flow, and all that come after `limit` more. */
export function* sliced<T>(flow: Flow<T>, skip: number, limit: number): Flow<T> {
  let at = 0
  for (const item of flow) {
    if (item !== pause && at++ < skip) continue
    yield item
    if (item !== pause && at - skip >= limit) return
  }
}

/** Takes a flow as a whole before it gives out the first result. */
export function* collected<T, R>(
  flow: Flow<T>,
  add: (item: T) => void,
  results: () => Iterable<R>,
): Flow<R> {
  for (const item of flow) {
    if (item === pause) yield pause
    else add(item)
  }
  for (const result of results()) {
    if (pace.isDue) yield pause
    yield result
  }
}

/** Changes each item of a flow, or leaves it out. */
export function* mapped<T, R>(flow: Flow<T>, turn: (item: T) => R | undefined): Flow<R> {
  for (const item of flow) {
    const result = item === pause ? pause : turn(item)
    if (result !== undefined) yield result
  }
}

/** A flow of encoded documents as the source of a cursor. */
export function sourceOf(flow: Flow<Uint8Array>, onPause = (): void => undefined): DocumentSource {
  const iterator = flow[Symbol.iterator]()
  return {
    pause: onPause,
    next() {
      const { value, done } = iterator.next()
      return done ? undefined : value
    },
  }
}
