// Large commands share the turns of the event loop, also those that wait for the same thing: the
// steps after it would otherwise all run in the turn in which it comes.
import { expect, test } from 'vitest'
import { shareTurn } from '../../realtime/concurrency/turns.ts'
import { by, createLogFixture } from '../log/log-fixture.ts'

/** Works for so long without a pause (ms). */
function work(ms: number): void {
  const end = performance.now() + ms
  while (performance.now() < end);
}

/** Runs `steps` and resolves to the number of the turn in which each of them noted its end. */
async function turnsOf(steps: (note: () => void) => Promise<void>[]): Promise<number[]> {
  let turn = 0
  let next = setImmediate(function count() {
    turn++
    next = setImmediate(count)
  })
  const noted: number[] = []
  await Promise.all(steps(() => noted.push(turn)))
  clearImmediate(next)
  return noted
}

test('long steps that wait for the same thing take a turn each', async () => {
  const answer = new Promise<void>((resolve) => void setImmediate(resolve))
  const turns = await turnsOf((note) =>
    Array.from({ length: 8 }, async () => {
      await answer
      await shareTurn()
      work(12)
      note()
    }),
  )
  expect(new Set(turns).size).toBe(8)
})

test('so do the second steps of commands that have waited for a turn together', async () => {
  const turns = await turnsOf((note) =>
    Array.from({ length: 4 }, async () => {
      for (let step = 0; step < 3; step++) {
        await shareTurn()
        await Promise.resolve().then(() => Promise.resolve()) // as callers between them do
        work(12)
        note()
      }
    }),
  )
  expect(new Set(turns).size).toBe(12)
})

test('decisions that are long take a turn each, also when nothing has to be read for them', async () => {
  await using fixture = await createLogFixture()
  const { log } = fixture.node()
  const users = await Promise.all(Array.from({ length: 8 }, () => fixture.user()))
  for (const user_id of users) await log.head(user_id, 'preferences') // it is known from now on
  const turns = await turnsOf((note) =>
    users.map((user_id) =>
      log
        .append({
          ...{ context: by(user_id), topic: 'preferences', entity_id: user_id, identity: {} },
          decide() {
            work(12)
            note()
            return undefined
          },
        })
        .then(() => undefined),
    ),
  )
  expect(new Set(turns).size).toBe(turns.length)
})

test('short steps share a turn, in the order in which they asked', async () => {
  const order: number[] = []
  const turns = await turnsOf((note) =>
    Array.from({ length: 50 }, async (_, n) => {
      await shareTurn()
      order.push(n)
      note()
    }),
  )
  expect(new Set(turns).size).toBeLessThan(10)
  expect(order).toEqual(Array.from({ length: 50 }, (_, n) => n))
})

test('a step is let through at last, however busy each turn is without it', async () => {
  let isLet = false
  let next = setImmediate(function busy() {
    work(12)
    next = setImmediate(busy)
  })
  work(12)
  for (let n = 0; n < 3; n++) await shareTurn().then(() => (isLet = true))
  clearImmediate(next)
  expect(isLet).toBe(true)
})
