import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { watchUnprojected } from '../../realtime/log/unprojected.ts'
import { HeadCache } from '../../realtime/log/head-cache.ts'
import { topicKey } from '../../realtime/store/changes.ts'
import { advanceHeads } from '../../realtime/store/heads.ts'
import { eventually } from '../harness/eventually.ts'
import { createLogFixture, logger, type LogFixture } from './log-fixture.ts'

let fixture: LogFixture
beforeAll(async () => {
  fixture = await createLogFixture()
})
afterAll(() => fixture[Symbol.asyncDispose]())

/** A node that sees in the feed what other nodes append, and counts what it does about it. */
function watchingNode(abandonedMs: number) {
  const refresh = vi.fn<HeadCache['refresh']>()
  const schedule = vi.fn()
  const { database } = fixture
  refresh.mockImplementation((...args) => new HeadCache(database).refresh(...args))
  const watch = watchUnprojected({
    ...{ database, heads: { refresh }, projector: { schedule } },
    ...{ logger, abandonedMs },
  })
  return { watch, refresh, schedule }
}

const topic = 'conversations' as const
const project = (user_id: string, seq: number) =>
  advanceHeads(
    fixture.database,
    [{ key: topicKey(user_id, topic), seq, at: new Date(), closed: false }],
    { durable: true },
  )

test('a topic in steady use is left to its writer, who projects each entry a moment later', async () => {
  const user_id = await fixture.user()
  const other = await fixture.user()
  const { watch, schedule, refresh } = watchingNode(400)
  // an entry that nobody projects tells how far the watch is
  watch.note({ user_id: other, topic, seq: 1 })
  let seq = 0
  await eventually(async () => {
    watch.note({ user_id, topic, seq: ++seq })
    await project(user_id, seq - 1)
    return schedule.mock.calls.length > 0
  })
  expect(refresh.mock.calls.map(([of]) => of)).not.toContain(user_id)
  await watch.stop()
})

test('an entry whose writer has gone is projected, also in a topic that others go on using', async () => {
  const user_id = await fixture.user()
  const { watch, schedule } = watchingNode(50)
  let seq = 0
  await eventually(() => {
    watch.note({ user_id, topic, seq: ++seq })
    return schedule.mock.calls.length > 0
  })
  expect(schedule).toHaveBeenCalledWith(expect.objectContaining({ user_id, topic }), 0)
  await watch.stop()
})
