// What a change costs, beside the floor: its way to the other device, the rate that many users
// reach, the processor time, and the length of a conversation.
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, test } from 'vitest'
import { eventually } from '../harness/eventually.ts'
import {
  append,
  cpuMs,
  databasePid,
  fill,
  openDevice,
  startFloor,
  startLockstep,
  startTwoNodes,
  watch,
  type BenchDevice,
  type BenchUser,
  type Subject,
} from './subject.ts'
import { median, percentile, row, timed, type SubjectName } from './table.ts'

const ROUNDS = 3
const CHANGES = 100
const USERS = 100
const DEVICES = 3
/** Changes a second of all users together. */
const RATES = [25, 50, 100, 150, 200, 300, 400, 600, 800, 1_200]
const RATE_MS = 3_000
const MOST_P99_MS = 250
/** At this rate the processor times are compared: every subject carries it. */
const COMPARED_RATE = 50

let subjects: Subject[]
beforeAll(async () => {
  subjects = [await startFloor(), await startLockstep(), await startTwoNodes()]
}, 120_000)
afterAll(async () => {
  for (const subject of subjects) await subject[Symbol.asyncDispose]()
})
const byRound = (): Record<SubjectName, number[]> => ({ floor: [], node: [], 'two nodes': [] })

test('a change on its way to the other device', async () => {
  const p50 = byRound()
  const p99 = byRound()
  const pairs = await Promise.all(subjects.map(pairOf))
  for (let round = -1; round < ROUNDS; round++)
    for (const { subject, user, writer, seen } of pairs) {
      seen.length = 0
      for (let count = 0; count < CHANGES; count++) await append(writer, user)
      await eventually(() => seen.length === CHANGES, { what: 'every change has arrived' })
      if (round < 0) continue // the first round warms up
      p50[subject.name].push(percentile(seen, 0.5))
      p99[subject.name].push(percentile(seen, 0.99))
    }
  const what = 'a change at the other device'
  row({ what: `${what}, p50`, unit: 'ms', rounds: p50, goal: atMostTimes(1.15) })
  row({ what: `${what}, p99`, unit: 'ms', rounds: p99, goal: atMostTimes(1.2) })
  for (const { writer, reader } of pairs) for (const device of [writer, reader]) device.close()
})

async function pairOf(subject: Subject) {
  const [user] = (await subject.users(1)) as [BenchUser]
  const writer = await openDevice(subject, user, ['conversations'])
  const reader = await openDevice(subject, user, ['conversations'], { at: 1 })
  const seen: number[] = []
  watch(reader, (ms) => seen.push(ms))
  return { subject, user, writer, reader, seen }
}

test('the highest rate of many users, and the processor time', async () => {
  const highest = byRound()
  const servers = byRound()
  const databases = byRound()
  const database = databasePid()
  for (const subject of subjects) {
    await using crowd = await Crowd.of(subject)
    await crowd.run(COMPARED_RATE) // warms up
    for (let round = 0; round < ROUNDS; round++) {
      const server = cpuMs(subject.pids)
      const mongod = database ? cpuMs([database]) : 0
      const { deliveries } = await crowd.run(COMPARED_RATE)
      const thousands = deliveries / 1_000
      servers[subject.name].push((cpuMs(subject.pids) - server) / thousands)
      if (database) databases[subject.name].push((cpuMs([database]) - mongod) / thousands)
    }
    let carried = 0
    for (const rate of RATES) {
      if ((await crowd.run(rate)).p99 > MOST_P99_MS) break
      carried = rate
    }
    highest[subject.name].push(carried)
  }
  row({
    what: `highest rate of ${USERS} users × ${DEVICES} devices with p99 < ${MOST_P99_MS} ms`,
    unit: '1/s',
    rounds: highest,
    goal: { of: 'ratio', is: 'at least', limit: 1 },
  })
  const what = `CPU per 1,000 deliveries at ${COMPARED_RATE} changes/s`
  row({ what: `servers: ${what}`, unit: 'ms', rounds: servers, goal: atMostTimes(1.1) })
  row({ what: `database: ${what}`, unit: 'ms', rounds: databases, goal: atMostTimes(1.1) })
})

/** Many users with some devices each. The first device of each writes. */
class Crowd implements AsyncDisposable {
  readonly #members: readonly { user: BenchUser; devices: readonly BenchDevice[] }[]
  readonly #seen: number[] = []

  private constructor(members: readonly { user: BenchUser; devices: readonly BenchDevice[] }[]) {
    this.#members = members
    for (const { devices } of members)
      for (const device of devices) watch(device, (ms) => this.#seen.push(ms))
  }

  static async of(subject: Subject): Promise<Crowd> {
    const members = []
    for (const user of await subject.users(USERS)) {
      const at = Array.from({ length: DEVICES }, (_, index) => index)
      const devices = await Promise.all(
        at.map((index) => openDevice(subject, user, ['conversations'], { at: index })),
      )
      members.push({ user, devices })
    }
    return new Crowd(members)
  }

  /** Writes at a rate (changes a second) for a while, however long each takes to arrive. */
  async run(rate: number): Promise<{ p99: number; deliveries: number }> {
    this.#seen.length = 0
    const count = Math.ceil((rate * RATE_MS) / 1_000)
    const acks: Promise<void>[] = []
    const began = performance.now()
    for (let index = 0; index < count; index++) {
      const due = began + (index * 1_000) / rate - performance.now()
      if (due > 1) await pause(due)
      const { user, devices } = this.#members[index % this.#members.length]!
      acks.push(append(devices[0]!, user))
    }
    await Promise.all(acks)
    const deliveries = count * DEVICES
    const all = () => this.#seen.length >= deliveries
    await eventually(all, { within: 20_000, what: 'every device has every change' })
    return { p99: percentile(this.#seen, 0.99), deliveries }
  }

  [Symbol.asyncDispose](): Promise<void> {
    for (const { devices } of this.#members) for (const device of devices) device.close()
    return Promise.resolve()
  }
}

test('an append to a long conversation', async () => {
  const node = subjects.find(({ name }) => name === 'node')!
  const [short, long] = (await node.users(2)) as [BenchUser, BenchUser]
  const shortWriter = await openDevice(node, short, ['conversations'])
  const longWriter = await openDevice(node, long, ['conversations'])
  await fill(long, 3_000)
  const ratios: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const times: [number[], number[]] = [[], []]
    for (let count = 0; count < CHANGES; count++) {
      times[0].push(...(await timed(1, () => append(shortWriter, short))))
      times[1].push(...(await timed(1, () => append(longWriter, long))))
    }
    ratios.push(median(times[1]) / median(times[0]))
  }
  row({
    what: 'an append at 3,000 messages, as a multiple of one at 0',
    unit: '',
    rounds: { node: ratios },
    goal: { of: 'value', is: 'at most', limit: 1.05 },
  })
  for (const device of [shortWriter, longWriter]) device.close()
})

const atMostTimes = (limit: number) => ({ of: 'ratio', is: 'at most', limit }) as const
