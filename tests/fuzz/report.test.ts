// The report of a failure, on a server that is a function: a fuzz test is worth nothing if its
// findings can't be played again.
import { expect, test } from 'vitest'
import { explore, type Exploration } from './explore.ts'
import { everyday, type Step } from './steps.ts'

/** Fails, as a broken server would, if something is renamed after something was deleted. */
const broken = (steps: readonly Step[]): Promise<void> => {
  const deleted = steps.findIndex((step) => step.do === 'delete')
  const breaks = deleted >= 0 && steps.slice(deleted).some((step) => step.do === 'rename')
  return breaks ? Promise.reject(new Error('two devices differ')) : Promise.resolve()
}

const exploration: Exploration<Step[]> = {
  histories: everyday,
  count: 500,
  seed: 7,
  shrinkMs: 60_000,
  playHistory: broken,
  command: 'npm run fuzz -- --only everyday',
}

const reportOf = (changed: Partial<Exploration<Step[]>>): Promise<Error> =>
  explore({ ...exploration, ...changed }).then(
    () => Promise.reject(new Error('nothing failed')),
    (error: Error) => error,
  )

const pathIn = ({ message }: Error): string => /--seed 7 --path (\S+)/.exec(message)![1]!

test('a failure is reported with its seed, its path, the fewest steps and the error', async () => {
  const report = await reportOf({})
  expect(report.message).toMatch(/npm run fuzz -- --only everyday --seed 7 --path [\d:]+\n/)
  expect(report.message).toMatch(
    /Counterexample: \[\[[^\n]*"do":"delete"[^\n]*"do":"rename"[^\n]*\]\]/,
  )
  expect(report.cause).toMatchObject({ message: 'two devices differ' })
})

test('seed and path play the failure again, as short as it was reported', async () => {
  const path = pathIn(await reportOf({}))
  const played: Step[][] = []
  await reportOf({
    path,
    count: 1,
    shrinkMs: -1,
    playHistory: (steps) => (played.push(steps), broken(steps)),
  })
  const names = played[0]!.map((step) => step.do)
  expect(names.indexOf('delete')).toBeLessThan(names.lastIndexOf('rename'))
  const first = await reportOf({ shrinkMs: -1 })
  expect(played[0]!.length).toBeLessThanOrEqual(
    /\[\[(.*)\]\]/.exec(first.message)![1]!.match(/"do"/g)!.length,
  )
})

test('the first failure is named, because what it broke may fail shorter histories otherwise', async () => {
  const report = await reportOf({
    playHistory: (steps, shrinking) =>
      shrinking ? Promise.reject(new Error('no server')) : broken(steps),
  })
  expect(report.message).toContain('The first failure was: Error: two devices differ\n')
  expect(report.cause).toMatchObject({ message: 'no server' })
})

test('shrinking ends at its deadline, so that the report comes within the time of the test', async () => {
  let afterwards = 0
  const report = await reportOf({
    shrinkMs: -1,
    playHistory: (steps, shrinking) => (shrinking && afterwards++, broken(steps)),
  })
  expect(pathIn(report)).toMatch(/^\d+$/)
  expect(afterwards).toBe(0)
})

test('without a failure all histories are played', async () => {
  let played = 0
  await explore({ ...exploration, count: 50, playHistory: () => (played++, Promise.resolve()) })
  expect(played).toBe(50)
})
