import { beforeAll, describe, expect, test } from 'vitest'
import { topics } from '@lockstep/protocol/topics'
import { gatewaySettings } from '../../realtime/gateway/settings.ts'
import { Follower, storedState } from '../harness/follower.ts'
import { signUp, type Person } from '../harness/person.ts'
import { sharedNodes } from '../harness/shared-node.ts'

const gateway = {
  ...gatewaySettings,
  timings: { ...gatewaySettings.timings, head: 100, quietHead: 100 },
}
const shared = sharedNodes(1, { options: { gateway } })
let alice: Person
beforeAll(async () => {
  alice = await signUp(shared.node, 'alice')
  await alice.ask('createConversation')
})

test.each(topics)('/%s receives the head regularly', async (topic) => {
  await using device = await alice.device(topic)
  const { epoch, to } = await device.next('sync')
  for (let beat = 1; beat <= 3; beat++)
    expect(await device.next('head')).toEqual({ epoch, seq: to })
})

test('a head that arrives after a change is not below it', async () => {
  await using device = await alice.device('conversations')
  const { seq } = await device.done('create', {})
  await device.until('head', (head) => head.seq >= seq)
  const events = device.inbox.received
  const told = events.findIndex(
    ({ event, payload }) => event === 'change' && (payload as { seq: number }).seq === seq,
  )
  const heads = events
    .slice(told)
    .flatMap((item) => (item.event === 'head' ? [(item.payload as { seq: number }).seq] : []))
  expect(heads.every((head) => head >= seq)).toBe(true)
})

describe('a client that follows the rule', () => {
  test('learns of a lost change by the head, even if no change follows', async () => {
    await using follower = await Follower.start(alice, 'conversations')
    follower.dropEvents((event) => event === 'change')
    const writer = await alice.device('conversations')
    const { seq } = await writer.done('create', { title: 'Nobody told me' })
    await follower.device.until('change', (change) => change.seq === seq)
    expect(follower.cursor.seq).toBeLessThan(seq)
    await follower.caughtUp(seq)
    expect(follower.requests.ranges).toBe(1)
    expect(follower.state).toEqual(await storedState(alice, 'conversations'))
    writer.close()
  })

  test('learns of a lost change by a jump in seq', async () => {
    await using follower = await Follower.start(alice, 'preferences')
    await using writer = await alice.device('preferences')
    let lost = 0
    follower.dropEvents((event) => event === 'change' && lost++ < 2)
    await writer.done('update', { patch: { a: 1 } })
    await writer.done('update', { patch: { b: 2 } })
    const { seq } = await writer.done('update', { patch: { c: 3 } })
    await follower.caughtUp(seq)
    expect(follower.state).toEqual(await storedState(alice, 'preferences'))
  })
})
