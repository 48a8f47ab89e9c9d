// A device that no WebSocket reaches, although HTTP does: commands travel over HTTP, changes arrive
// every few seconds, and the WebSocket takes over by itself as soon as it works.
import { expect, test } from 'vitest'
import { noFaults } from './fake-wire.ts'
import { SimulatedUser } from './simulated-user.ts'

const titles = ({
  engine,
}: {
  engine: { conversations: { list(state: 'active'): { items: readonly { title: string }[] } } }
}) =>
  engine.conversations
    .list('active')
    .items.map(({ title }) => title)
    .sort()

test('CLIENT-9: where WebSockets are blocked, changes travel over HTTP in both directions', async () => {
  await using user = new SimulatedUser()
  const free = await user.device()
  const blocked = await user.device({ live: false })
  blocked.wire.blockSockets()
  await user.time.until(() => blocked.engine.connection === 'polling', 10_000)
  const created = blocked.engine.conversations.create({ title: 'from the blocked device' })
  await user.time.until(() => titles(free).includes('from the blocked device'), 2_000)
  await user.time.until(() => blocked.engine.unsent === 0, 5_000)
  expect(await created.outcome).toMatchObject({ ok: true })
  free.engine.conversations.create({ title: 'from the other device' })
  await user.time.until(() => titles(blocked).length === 2, 5_000)
  expect([blocked.engine.unsent, blocked.engine.outbox]).toEqual([0, []])
})

test('CLIENT-9: a line that gets blocked is noticed, and given up as soon as WebSockets pass again', async () => {
  await using user = new SimulatedUser()
  const [device, other] = [await user.device(), await user.device()]
  device.wire.blockSockets()
  const queued = device.engine.conversations.create({ title: 'queued' })
  await user.time.until(() => device.engine.connection === 'polling', 30_000)
  await user.time.until(() => device.engine.unsent === 0, 10_000)
  expect(await queued.outcome).toMatchObject({ ok: true })
  device.wire.unblockSockets()
  await user.time.until(() => device.engine.connection === 'live', 61_000)
  user.server.requests = []
  const { polls } = device.wire
  other.engine.conversations.create({ title: 'live again' })
  await user.time.until(() => titles(device).includes('live again'), 100)
  await user.time.pass(60_000)
  expect(device.wire.polls).toBe(polls)
})

test('CLIENT-9: a server that is away is offline and not a blocked WebSocket', async () => {
  await using user = new SimulatedUser()
  const device = await user.device()
  device.wire.goOffline()
  const seen = new Set<string>()
  device.engine.subscribe(() => seen.add(device.engine.connection))
  await user.time.pass(120_000)
  expect(seen.has('polling') || device.engine.connection === 'live').toBe(false)
  device.wire.goOnline()
  await user.time.until(() => device.engine.connection === 'live', 60_000)
})

test('CLIENT-9: the session ends over HTTP as over a socket', async () => {
  await using user = new SimulatedUser()
  const device = await user.device({ live: false })
  device.wire.blockSockets()
  await user.time.until(() => device.engine.connection === 'polling', 10_000)
  user.server.sessions.delete(device.session_id)
  await user.time.until(() => device.engine.state.name === 'signed-out', 10_000)
})

test('CLIENT-9: while HTTP fails too, commands wait, and are done once', async () => {
  await using user = new SimulatedUser()
  const device = await user.device({ live: false })
  device.wire.blockSockets()
  await user.time.until(() => device.engine.connection === 'polling', 10_000)
  device.wire.faults = { ...device.wire.faults, drops: (what) => what === 'response' }
  device.engine.conversations.create({ title: 'once' })
  await user.time.pass(60_000)
  device.wire.faults = { ...device.wire.faults, drops: () => false }
  await user.time.until(() => device.engine.unsent === 0 && titles(device).length > 0)
  expect(titles(device)).toEqual(['once'])
})

// Found by any-history.test.ts, seed 586626778.
test('CLIENT-9: an attempt to return that nobody answers is followed by the next one', async () => {
  await using user = new SimulatedUser()
  const device = await user.device({ live: false })
  device.wire.blockSockets()
  await user.time.until(() => device.engine.connection === 'polling', 10_000)
  device.wire.faults = { ...device.wire.faults, drops: (what) => what === 'refusal' }
  await user.time.pass(30_000)
  device.wire.faults = { ...device.wire.faults, drops: (what) => what === 'sync' }
  device.wire.unblockSockets()
  await user.time.pass(60_000)
  expect(device.engine.connection).toBe('polling')
  device.wire.faults = noFaults
  await user.time.until(() => device.engine.connection === 'live', 61_000)
})

test('CLIENT-9: however much a person writes, a topic asks for changes no more often afterwards', async () => {
  await using user = new SimulatedUser()
  const device = await user.device({ live: false })
  device.wire.blockSockets()
  await user.time.until(() => device.engine.connection === 'polling', 10_000)
  // Each answer takes so long that commands are acked while a request for changes is under way.
  device.wire.faults = { ...noFaults, delay: (what) => (what === 'response' ? 400 : 5) }
  const polled = async () => {
    const before = device.wire.polls
    await user.time.pass(60_000)
    return device.wire.polls - before
  }
  const before = await polled()
  for (let i = 0; i < 20; i++) {
    device.engine.preferences.update({ count: i })
    await user.time.pass(2_800 + 50 * i)
  }
  await user.time.until(() => device.engine.unsent === 0)
  expect(await polled()).toBeLessThanOrEqual(before + 4)
})
