// Histories that certain bugs don't survive. Each is played as the server is, and again with its bug put in: a fuzz that can't see them
// proves nothing. None of these needs a race. What only a race shows is scripted where it can be: a command that is repeated (LOG-3 and LOG-4
// in tests/log/append), what comes while a device joins (GATE-1 in tests/gateway/device), a node that stalls (LOG-5 in tests/log/projection).
import { Collection } from 'mongodb'
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'
import { decideConversations } from '@lockstep/protocol/decide/conversations'
import { Hub } from '../../realtime/gateway/hub.ts'
import type { ChangeDocument } from '../../realtime/store/changes.ts'
import { historyKinds, playAndCheck } from './histories.ts'
import type { Step } from './steps.ts'
import { FuzzCluster } from './world.ts'

const PATIENT_MS = 15_000
const IMPATIENT_MS = 1_500
const CHANCES = 6

interface Bug {
  name: string
  history: readonly Step[]
  put(): void
}

const create: Step = { do: 'create', device: 0, title: 'one' }
const append = (device: number, text: string): Step => ({
  do: 'append',
  device,
  conversation: 0,
  text,
})
const rename = (device: number, text: string): Step => ({
  do: 'rename',
  device,
  conversation: 0,
  text,
})
const pause = (ms: number): Step => ({ do: 'pause', ms })

/** Says that these entries were inserted, and inserts only the others. */
function forgetting(lost: (entry: ChangeDocument) => boolean): void {
  const { insertOne } = Collection.prototype
  vi.spyOn(Collection.prototype, 'insertOne').mockImplementation(function (
    this: Collection,
    document,
    options,
  ) {
    const entry = document as unknown as ChangeDocument
    if (this.collectionName !== 'changes' || !lost(entry))
      return insertOne.call(this, document, options)
    return Promise.resolve({ acknowledged: true, insertedId: entry._id as never })
  })
}

const bugs: Bug[] = [
  {
    name: 'a change is acked that nobody wrote',
    history: [create, pause(50), rename(0, 'two')],
    put: () => forgetting(({ op, data }) => op === 'updated' && data?.title === 'two'),
  },
  {
    name: 'a rename is acked as if there were nothing to change',
    history: [create, pause(50), rename(0, 'two')],
    put: () => vi.spyOn(decideConversations, 'update').mockReturnValue(undefined),
  },
  {
    name: 'the last change is not pushed',
    history: [create, pause(50), { do: 'delete', device: 0, conversation: 0 }],
    put: () => losing(({ op }) => op === 'deleted'),
  },
  {
    name: 'a change in the middle is not pushed',
    history: [create, pause(50), rename(0, 'two'), pause(50), append(0, 'x')],
    put: () => losing(({ data }) => data?.title === 'two'),
  },
  {
    name: "a change is sent to everybody's devices",
    history: [create, { do: 'create', device: 2, title: 'mine' }],
    put: () =>
      vi.spyOn(Hub.prototype, 'change').mockImplementation(function (this: Hub, _user, change) {
        for (const { topic, socket } of this.all())
          if (topic === change.topic) socket.emit('change', change)
      }),
  },
]

/** Devices aren't told of some changes. */
function losing(lost: (change: Parameters<Hub['change']>[1]) => boolean): void {
  vi.spyOn(Hub.prototype, 'change').mockImplementation(function (this: Hub, user_id, change) {
    if (!lost(change)) for (const { device } of this.of(user_id, change.topic)) device.offer(change)
  })
}

let world: FuzzCluster
beforeAll(async () => {
  world = await FuzzCluster.start(historyKinds.everyday.world)
})
afterEach(() => {
  vi.restoreAllMocks()
})
afterAll(() => world[Symbol.asyncDispose]())

test.each(bugs)('it is seen when $name', { timeout: 90_000 }, async ({ history, put }) => {
  await playAndCheck(history, world, PATIENT_MS)
  put()
  let seen: unknown
  for (let chance = 0; chance < CHANCES && seen === undefined; chance++)
    await playAndCheck(history, world, IMPATIENT_MS).catch((error: unknown) => (seen = error))
  expect(seen, 'what the bug breaks').toBeInstanceOf(Error)
})
