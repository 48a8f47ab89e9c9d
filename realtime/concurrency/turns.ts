// Divides the work of large commands among turns of the event loop, so that everybody else is
// served in between. Each step alone is short enough; without this, all steps of a command that
// waits for nothing would run in one turn, and so would the steps of commands that wait together.

/** A turn that has worked for longer than this takes no further step (ms). */
const ENOUGH_MS = 10

let began: number | undefined
/** Pending while the step that was last let through does its work. */
let working: Promise<void> | undefined
/** The steps for which there was no time in an earlier turn, in the order of their arrival. */
const waiting: (() => void)[] = []
/** Whether the waiting steps are being let through. */
let isServing = false

/** Does a step for each of the items, with turns for others in between if all of it takes long. */
export async function mapInTurns<T, R>(items: readonly T[], step: (item: T) => R): Promise<R[]> {
  const mapped: R[] = []
  for (const item of items) {
    if (isTurnOver()) await shareTurn()
    mapped.push(step(item))
  }
  return mapped
}

/** Counts the work of this turn from now on, unless it is counted already. */
export function beginWork(): number {
  if (began === undefined) countFrom(performance.now())
  return began!
}

function countFrom(now: number): void {
  began = now
  setImmediate(() => {
    if (began === now) began = undefined
  })
}

/** Whether this turn has worked long enough; its work counts from now on. */
export const isTurnOver = (): boolean => performance.now() - beginWork() > ENOUGH_MS

/**
 * To be awaited between two steps. Resolves in a later turn if this one has worked long enough. The
 * work of each step that is let through counts before the next one is. A step that follows at once,
 * without another `await` in between, asks `isTurnOver` first: it then waits only if it must.
 */
export async function shareTurn(): Promise<void> {
  while (working) await working
  if (!isTurnOver()) return void letThrough()
  await new Promise<void>((proceed) => {
    waiting.push(proceed)
    if (!isServing) setImmediate(takeTurn)
    isServing = true
  })
}

/** Lets the first one through whatever the turn has done. Otherwise it might wait forever. */
function takeTurn(): void {
  countFrom(performance.now())
  takeNext()
}

function takeNext(): void {
  const proceed = waiting.shift()!
  proceed()
  void letThrough().then(() => {
    isServing = waiting.length > 0
    if (!isServing) return
    if (isTurnOver()) setImmediate(takeTurn)
    else takeNext()
  })
}

/** Resolves when everything that follows at once, in microtasks, has been done. */
function letThrough(): Promise<void> {
  const work = new Promise<void>((resolve) => {
    queueMicrotask(() => process.nextTick(resolve))
  })
  working = work
  return work.then(() => {
    if (working === work) working = undefined
  })
}
