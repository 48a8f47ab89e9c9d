// What devices cost while nothing happens, when they join, and when they come back.
import { afterAll, beforeAll, test } from 'vitest'
import { topics, type Topic } from '@lockstep/protocol/topics'
import { inBatches } from '../cluster/bulk-users.ts'
import {
  append,
  openDevice,
  positionOf,
  residentKib,
  startFloor,
  startLockstep,
  type BenchDevice,
  type BenchUser,
  type Subject,
} from './subject.ts'
import { row, type Rounds, type SubjectName } from './table.ts'

const DEVICES = 1_000
const AWAY = 1_000
const RETURNING = 20

let subjects: [floor: Subject, node: Subject]
beforeAll(async () => {
  subjects = [await startFloor(), await startLockstep()]
}, 120_000)
afterAll(async () => {
  for (const subject of subjects) await subject[Symbol.asyncDispose]()
})

test('idle devices, and how fast they join', async () => {
  const memory = { one: {} as Rounds, four: {} as Rounds }
  const joined: Rounds = {}
  for (const subject of subjects) {
    const users = await subject.users(DEVICES, { idle: true })
    const one = await join(subject, users, ['conversations'])
    memory.one[subject.name] = [one.kib]
    const four = await join(subject, users, topics)
    memory.four[subject.name] = [four.kib]
    joined[subject.name] = [four.rate]
  }
  const goal = { of: 'ratio', is: 'at most', limit: 1.25 } as const
  const what = 'memory per idle device'
  row({ what: `${what}, one topic`, unit: 'KiB', rounds: memory.one, goal })
  row({ what: `${what}, four topics`, unit: 'KiB', rounds: memory.four, goal })
  row({
    what: 'devices that join all four topics, this process included',
    unit: '1/s',
    rounds: joined,
    goal: { of: 'value', is: 'at least', limit: 600 },
  })
})

async function join(subject: Subject, users: readonly BenchUser[], joins: readonly Topic[]) {
  const before = residentKib(subject.pids)
  const began = performance.now()
  const devices = await inBatches(users.length, (index) =>
    openDevice(subject, users[index]!, joins),
  )
  const seconds = (performance.now() - began) / 1_000
  const kib = (residentKib(subject.pids) - before) / users.length
  for (const device of devices) device.close()
  return { kib, rate: users.length / seconds }
}

test('a device that was away', async () => {
  const lost: Record<SubjectName, number[]> = { floor: [], node: [], 'two nodes': [] }
  const caughtUp: Record<SubjectName, number[]> = { floor: [], node: [], 'two nodes': [] }
  for (const subject of subjects) {
    const [user] = (await subject.users(1)) as [BenchUser]
    const since = await positionOf(user)
    await writeBy(10, subject, user, AWAY / 10)
    for (let round = 0; round < 5; round++) {
      const began = performance.now()
      const device = await openDevice(subject, user, ['conversations'], { since, behind: AWAY })
      const ms = performance.now() - began
      const missing = AWAY - device.received
      lost[subject.name].push(missing)
      if (missing === 0) caughtUp[subject.name].push(ms)
      device.close()
    }
  }
  row({
    what: `lost of ${AWAY.toLocaleString('en')} changes while away`,
    unit: '',
    rounds: lost,
    goal: { of: 'value', is: 'at most', limit: 0 },
  })
  row({
    what: 'caught up after, p50',
    unit: 'ms',
    rounds: caughtUp,
    goal: { of: 'value', is: 'at most', limit: 60 },
  })
})

test('everybody comes back at once', async () => {
  const [, node] = subjects
  const users = await node.users(100)
  const positions = await Promise.all(users.map(positionOf))
  await inBatches(users.length, (index) => writeBy(1, node, users[index]!, RETURNING))
  const before = residentKib(node.pids)
  const began = performance.now()
  const devices: BenchDevice[] = await Promise.all(
    Array.from({ length: DEVICES }, (_, index) =>
      openDevice(node, users[index % users.length]!, ['conversations'], {
        since: positions[index % users.length],
        behind: RETURNING,
      }),
    ),
  )
  const seconds = (performance.now() - began) / 1_000
  const megabytes = (residentKib(node.pids) - before) / 1_024
  const what = `${DEVICES.toLocaleString('en')} devices come back, ${RETURNING} changes behind each`
  row({
    what,
    unit: 's',
    rounds: { node: [seconds] },
    goal: { of: 'value', is: 'at most', limit: 2 },
  })
  row({
    what: `${what}: memory of the node`,
    unit: 'MB',
    rounds: { node: [megabytes] },
    goal: { of: 'value', is: 'at most', limit: 50 },
  })
  for (const device of devices) device.close()
})

/** Each of the user's devices writes `changes` changes, all devices at the same time. */
async function writeBy(
  devices: number,
  subject: Subject,
  user: BenchUser,
  changes: number,
): Promise<void> {
  await inBatches(devices, async () => {
    const writer = await openDevice(subject, user, ['conversations'])
    for (let count = 0; count < changes; count++) await append(writer, user)
    writer.close()
  })
}
