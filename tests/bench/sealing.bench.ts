// What sealed content (`KEYS_DIR`) costs: a node that seals beside one that doesn't, which stands
// in the floor's column. Blocks of both alternate, and each round compares one with the other.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, test } from 'vitest'
import { signUp } from '../harness/person.ts'
import {
  append,
  cpuMs,
  fill,
  mainThreadMs,
  openDevice,
  startLockstep,
  type BenchDevice,
  type BenchUser,
  type Subject,
} from './subject.ts'
import { median, row, type SubjectName } from './table.ts'

const ROUNDS = 15
/** So many that no limit for one person is reached. */
const MEMBERS = 30
const APPENDS = 400
const READS = 80
const SEARCHES = 20
/** Messages of the conversation that is read and searched. */
const MESSAGES = 200

const keys = mkdtempSync(join(tmpdir(), 'lockstep-bench-keys-'))
let subjects: Subject[]
beforeAll(async () => {
  subjects = [await startLockstep('floor'), await startLockstep('node', { KEYS_DIR: keys })]
}, 120_000)
afterAll(async () => {
  for (const subject of subjects) await subject[Symbol.asyncDispose]()
  rmSync(keys, { recursive: true })
})

interface Member {
  /** Has the conversation that is read and searched. */
  reader: BenchUser
  /** The same person, with the conversation that grows. */
  writer: BenchUser
  device: BenchDevice
}

/** Made by the server itself, which alone has the keys. */
async function memberOf(subject: Subject): Promise<Member> {
  const person = await signUp({ url: subject.urls[0]! })
  const begin = async (): Promise<BenchUser> => {
    const { id: conversation_id } = await person.ask('createConversation', { body: {} })
    return { id: person.user.id, conversation_id, person, cookie: person.cookie }
  }
  const [reader, writer] = [await begin(), await begin()]
  await fill(reader, MESSAGES)
  return { reader, writer, device: await openDevice(subject, writer, ['conversations']) }
}

test('sealed content', async () => {
  const sides = await Promise.all(
    subjects.map(async (subject) => {
      const members: Member[] = []
      while (members.length < MEMBERS) members.push(await memberOf(subject))
      return { subject, members }
    }),
  )
  const uses: [what: string, count: number, once: (member: Member) => Promise<unknown>][] = [
    ['an append', APPENDS, ({ device, writer }) => append(device, writer)],
    [
      `reading ${MESSAGES} messages`,
      READS,
      ({ reader: { person, conversation_id: id } }) =>
        person!.ask('getConversation', { params: { id }, query: { limit: MESSAGES } }),
    ],
    [
      'the list of conversations',
      READS,
      ({ reader }) => reader.person!.ask('listConversations', { query: { limit: 50 } }),
    ],
    [
      `a search in ${MESSAGES} messages`,
      SEARCHES,
      ({ reader }) => reader.person!.ask('listConversations', { query: { q: 'nowhere in them' } }),
    ],
  ]
  for (const [what, count, once] of uses) {
    const latency: Partial<Record<SubjectName, number[]>> = { floor: [], node: [] }
    const cpu: Partial<Record<SubjectName, number[]>> = { floor: [], node: [] }
    const mainThread: Partial<Record<SubjectName, number[]>> = { floor: [], node: [] }
    for (let round = -1; round < ROUNDS; round++)
      // whoever is first in one round is second in the next
      for (const { subject, members } of round % 2 ? sides : sides.toReversed()) {
        const { name, pids } = subject
        const before = { all: cpuMs(pids), mainThread: mainThreadMs(pids) }
        const took: number[] = []
        for (let n = 0; n < count; n++) {
          const began = performance.now()
          await once(members[n % MEMBERS]!)
          took.push(performance.now() - began)
        }
        if (round < 0) continue // warms up
        latency[name]!.push(median(took))
        cpu[name]!.push((cpuMs(pids) - before.all) / count)
        mainThread[name]!.push((mainThreadMs(pids) - before.mainThread) / count)
      }
    const goal = { of: 'ratio', is: 'at most', limit: 1.1 } as const
    const isSearch = what.includes('search')
    row({ what: `sealed: ${what}, p50`, unit: 'ms', rounds: latency, ...(!isSearch && { goal }) })
    row({ what: `sealed: CPU of ${what}`, unit: 'ms', rounds: cpu, ...(!isSearch && { goal }) })
    row({ what: `sealed: main thread’s CPU of ${what}`, unit: 'ms', rounds: mainThread })
  }
  for (const { members } of sides) for (const { device } of members) device.close()
}, 600_000)
