// Histories that find certain bugs. Each is played on the server as it is, and again with a bug
// injected: a fuzz test that can't find these bugs proves nothing. None of them needs a race. What
// only a race shows has a scripted test elsewhere: a repeated command (LOG-3 and LOG-4 in
// tests/log/append), changes during a join (GATE-1 in tests/gateway/device), a node that stalls
// (LOG-5 in tests/log/projection).
import { Collection } from 'mongodb'
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'
import { decideConversations } from '@lockstep/protocol/decide/conversations'
import { ConnectionRegistry } from '../../realtime/gateway/connection-registry.ts'
import { historyKinds, playAndCheck } from './histories.ts'
import type { Step } from './steps.ts'
import { FuzzCluster } from './fuzz-cluster.ts'
import type { ChangeDocument } from '../../realtime/store/documents.ts'

const WITHOUT_BUG_MS = 15_000
const WITH_BUG_MS = 1_500
const ATTEMPTS = 6

interface Bug {
  name: string
  history: readonly Step[]
  inject(): void
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

/** Pretends to insert these entries, and inserts only the others. */
function skipInserts(lost: (entry: ChangeDocument) => boolean): void {
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
    name: 'a change is acked but not written',
    history: [create, pause(50), rename(0, 'two')],
    inject: () => skipInserts(({ op, data }) => op === 'updated' && data?.title === 'two'),
  },
  {
    name: 'a rename is acked as if it changed nothing',
    history: [create, pause(50), rename(0, 'two')],
    inject: () => vi.spyOn(decideConversations, 'update').mockReturnValue(undefined),
  },
  {
    name: 'the last change is not pushed',
    history: [create, pause(50), { do: 'delete', device: 0, conversation: 0 }],
    inject: () => hideChanges(({ op }) => op === 'deleted'),
  },
  {
    name: 'a change in the middle is not pushed',
    history: [create, pause(50), rename(0, 'two'), pause(50), append(0, 'x')],
    inject: () => hideChanges(({ data }) => data?.title === 'two'),
  },
  {
    name: "a change is sent to everybody's devices",
    history: [create, { do: 'create', device: 2, title: 'mine' }],
    inject: () =>
      vi.spyOn(ConnectionRegistry.prototype, 'offerChange').mockImplementation(function (
        this: ConnectionRegistry,
        _user,
        change,
      ) {
        for (const { topic, socket } of this.connections())
          if (topic === change.topic) socket.emit('change', change)
      }),
  },
]

/** Hides some changes from the devices. */
function hideChanges(
  lost: (change: Parameters<ConnectionRegistry['offerChange']>[1]) => boolean,
): void {
  vi.spyOn(ConnectionRegistry.prototype, 'offerChange').mockImplementation(function (
    this: ConnectionRegistry,
    user_id,
    change,
  ) {
    if (!lost(change))
      for (const { device } of this.connectionsOf(user_id, change.topic)) device.offer(change)
  })
}

let cluster: FuzzCluster
beforeAll(async () => {
  cluster = await FuzzCluster.start(historyKinds.everyday.cluster)
})
afterEach(() => {
  vi.restoreAllMocks()
})
afterAll(() => cluster[Symbol.asyncDispose]())

test.each(bugs)(
  'the fuzz finds the bug: $name',
  { timeout: 90_000 },
  async ({ history, inject }) => {
    await playAndCheck(history, cluster, WITHOUT_BUG_MS)
    inject()
    let failure: unknown
    for (let attempt = 0; attempt < ATTEMPTS && failure === undefined; attempt++)
      await playAndCheck(history, cluster, WITH_BUG_MS).catch((error: unknown) => (failure = error))
    expect(failure, 'the failure that the bug causes').toBeInstanceOf(Error)
  },
)
