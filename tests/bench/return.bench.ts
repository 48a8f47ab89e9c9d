// The cost of returning: one device that was away for long, and a thousand devices that return at
// the same moment.
import { readFileSync } from 'node:fs'
import { test } from 'vitest'
import { freshDatabase } from '../harness/database.ts'
import { spawnNode, type NodeProcess } from '../harness/node.ts'
import { signUp, type Person } from '../harness/person.ts'
import { print, percentile } from './table.ts'

const AWAY = 3_000
const DEVICES = 1_000
const PEOPLE = 100

test('returning devices', async () => {
  await using database = freshDatabase()
  await using node = await spawnNode(database, { LOG_LEVEL: 'silent' })
  await longAway(node)
  await allAtOnce(node)
})

async function longAway(node: NodeProcess): Promise<void> {
  const person = await signUp(node)
  const { epoch, seq } = await person.ask('getPreferences')
  for (let at = 0; at < AWAY; at += 100)
    await Promise.all(
      Array.from({ length: 100 }, (_, i) =>
        person.ask('putPreferences', { body: { count: at + i } }),
      ),
    )
  const rest = await time(() => person.ask('getPreferences'))
  const catchUp = await time(async () => {
    await using device = await person.device('preferences', { since: { epoch, seq } })
    await device.until('sync', ({ more }) => !more, 60_000)
  })
  print(`A device that missed ${AWAY} changes`, [
    { what: 'floor: one GET of the topic', ms: rest.toFixed(1) },
    { what: 'caught up by the log', ms: catchUp.toFixed(1) },
  ])
}

async function allAtOnce(node: NodeProcess): Promise<void> {
  const people: Person[] = []
  for (let i = 0; i < PEOPLE; i++) people.push(await signUp(node))
  const cursors = await Promise.all(people.map((person) => person.ask('getPreferences')))
  for (const person of people)
    for (let i = 0; i < 5; i++) await person.ask('putPreferences', { body: { i } })
  const before = residentMegabytes(node)
  const alone = await time(() => comeBack(people[0]!, cursors[0]!))
  const start = performance.now()
  const times = await Promise.all(
    Array.from({ length: DEVICES }, async (_, i) => {
      const device = await comeBack(people[i % PEOPLE]!, cursors[i % PEOPLE]!)
      return { device, ms: performance.now() - start }
    }),
  )
  const after = residentMegabytes(node)
  const samples = times.map(({ ms }) => ms)
  print(`${DEVICES} devices of ${PEOPLE} people come back at the same moment, 5 changes behind`, [
    {
      what: 'floor: one device alone',
      'p50 ms': alone.toFixed(1),
      'all ms': alone.toFixed(1),
      'node MB': before,
    },
    {
      what: `${DEVICES} at once`,
      'p50 ms': percentile(samples, 0.5).toFixed(1),
      'all ms': Math.max(...samples).toFixed(1),
      'node MB': after,
    },
  ])
  for (const { device } of times) device.close()
}

async function comeBack(person: Person, { epoch, seq }: { epoch: string; seq: number }) {
  const device = await person.device('preferences', { since: { epoch, seq } })
  await device.until('sync', ({ to }) => to >= seq + 5, 60_000)
  return device
}

async function time(act: () => Promise<unknown>): Promise<number> {
  const start = performance.now()
  await act()
  return performance.now() - start
}

/** The resident memory of the node's process, as the kernel counts it. */
function residentMegabytes({ process: { pid } }: NodeProcess): number {
  const [, pages] = readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')
  return Math.round((Number(pages) * 4096) / 2 ** 20)
}
