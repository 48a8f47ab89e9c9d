// Sessions and connections: whose state a device holds, and when it connects, reconnects and gives
// up.
import { describe, expect, test } from 'vitest'
import { Fault } from '@lockstep/protocol/errors'
import { newId } from '@lockstep/protocol/ids'
import { SimulatedUser } from './simulated-user.ts'
import { noFaults, type Faults } from './fake-wire.ts'

/** A wire without faults that reports the frames of one kind. */
const watching = (kind: string, tell: () => void): Faults => ({
  ...noFaults,
  drops(what) {
    if (what === kind) tell()
    return false
  },
})

test('without a session the engine is signed out, and starts once there is one', async () => {
  await using user = new SimulatedUser()
  const device = await user.device({ live: false })
  user.server.sessions.delete(device.session_id)
  await user.time.until(() => device.engine.state.name === 'signed-out')
  user.server.signIn(device.session_id)
  void device.engine.start()
  await user.time.until(() => device.engine.connection === 'live')
  expect(device.engine.state).toMatchObject({ name: 'ready', user: { username: 'ada' } })
})

test('CLIENT-8: a revoked device forgets everything at once, including its unsent changes', async () => {
  await using user = new SimulatedUser()
  const [device, other] = [await user.device(), await user.device()]
  device.engine.conversations.create({ title: 'kept on the server' })
  await user.quiet()
  device.wire.faults = { ...noFaults, drops: (what) => what === 'command' }
  const unsent = device.engine.preferences.update({ secret: true })
  expect(other.engine.account.sessions).toHaveLength(2)
  other.engine.account.revoke(device.session_id)
  await user.time.until(() => device.engine.state.name === 'signed-out')
  await expect(unsent.outcome).resolves.toEqual({ ok: false, reason: 'dropped' })
  expect(device.engine.conversations.list('active').items).toEqual([])
  expect(device.engine.preferences.value).toEqual({})
  expect([device.engine.unsent, device.engine.outbox]).toEqual([0, []])
  expect(other.engine.account.sessions).toHaveLength(1)
})

test('a session that gets a new id goes on, with its unsent changes; one that begins elsewhere is new', async () => {
  await using user = new SimulatedUser()
  const device = await user.device()
  const { engine } = device
  device.wire.faults = { ...noFaults, drops: (what) => what === 'command' }
  engine.preferences.update({ unsent: true })
  const session = { id: newId(), device: 'test', created_at: new Date(0).toISOString() }
  const replaces = device.session_id
  const created = { op: 'session_created', entity_id: session.id, version: 1 } as const
  user.server.append('account', { ...created, data: { session, replaces } })
  user.server.append('account', {
    op: 'session_revoked',
    entity_id: replaces,
    version: 2,
    data: { session_id: replaces, replaced_by: session.id },
  })
  await user.time.until(() => engine.account.session?.id === session.id)
  await user.time.until(() => engine.account.sessions.length === 1)
  expect(engine.account.sessions).toMatchObject([{ id: session.id, current: true }])
  expect([engine.state.name, engine.unsent]).toEqual(['ready', 1])
  expect(engine.account.newSignIns).toEqual([])

  const elsewhere = { ...session, id: newId(), device: 'elsewhere', address: '203.0.113.7' }
  const begun = { ...created, entity_id: elsewhere.id, data: { session: elsewhere } }
  user.server.append('account', begun)
  await user.time.until(() => engine.account.newSignIns.length === 1)
  expect(engine.account.newSignIns).toEqual([elsewhere])
  user.server.append('account', {
    op: 'session_revoked',
    entity_id: elsewhere.id,
    version: 2,
    data: { session_id: elsewhere.id },
  })
  await user.time.until(() => engine.account.newSignIns.length === 0)
})

test('the topic account announces the end of an account, and no other topic loads anything because of it', async () => {
  await using user = new SimulatedUser()
  const { engine } = await user.device()
  const { server } = user
  server.requests = []
  for (const topic of ['conversations', 'preferences', 'agents'] as const)
    server.append(topic, { op: 'closed', entity_id: server.signedInAs.id, version: 2, data: {} })
  await user.quiet()
  expect(server.requests).toEqual([])
  server.append('account', { op: 'closed', entity_id: server.signedInAs.id, version: 2, data: {} })
  await user.time.until(() => engine.state.name === 'signed-out')
})

test('CLIENT-8: when the cookie has become another user, state and outbox are dropped and nothing is sent', async () => {
  await using user = new SimulatedUser()
  const device = await user.device()
  device.wire.goOffline()
  const unsent = device.engine.preferences.update({ secret: true })
  user.server.signedInAs = { ...user.server.signedInAs, id: newId(), username: 'eve' }
  device.wire.goOnline()
  await user.time.until(() => device.engine.state.name === 'signed-out')
  await expect(unsent.outcome).resolves.toEqual({ ok: false, reason: 'dropped' })
  expect(user.server.preferences.preferences).toEqual({})
})

test('an engine that starts while the server is away waits, and its state says so', async () => {
  await using user = new SimulatedUser()
  const device = await user.device({ live: false })
  device.wire.goOffline()
  await user.time.until(() => device.engine.connection === 'offline')
  expect(device.engine.state).toMatchObject({
    name: 'starting',
    problem: { code: 'unavailable', detail: expect.any(String) },
  })
  device.wire.goOnline()
  device.engine.nudge()
  await user.time.until(() => device.engine.connection === 'live', 1_000)
})

test('start, stop and start in one turn leaves the engine started, as a framework that mounts twice does', async () => {
  await using user = new SimulatedUser()
  const { engine } = await user.device()
  await engine.stop()
  const first = engine.start()
  const stopped = engine.stop()
  const second = engine.start()
  await user.time.until(() => engine.connection === 'live')
  await stopped
  expect(await first).toEqual({ name: 'stopped' })
  expect(await second).toBe(engine.state)
  expect(engine.state.name).toBe('ready')
})

test('a stop during a start ends it, whoever awaits it', async () => {
  await using user = new SimulatedUser()
  const { engine } = await user.device()
  await engine.stop()
  const starting = [engine.start(), engine.start()]
  await engine.stop()
  expect(await Promise.all(starting)).toEqual([{ name: 'stopped' }, { name: 'stopped' }])
  expect(engine.state).toEqual({ name: 'stopped' })
})

test('a snapshot is the same object until something has changed, and subscribe needs no receiver', async () => {
  await using user = new SimulatedUser()
  const [device, other] = [await user.device(), await user.device()]
  const { engine } = device
  other.engine.account.viewing(newId())
  device.wire.faults = { ...noFaults, drops: (what) => what === 'command' }
  engine.conversations.create({ title: 'pending' })
  await user.time.pass(1_000)
  const read = () => [
    engine.state,
    engine.outbox,
    engine.account.user,
    engine.account.session,
    engine.account.sessions,
    engine.account.presence,
    engine.account.outbox,
    engine.conversations.cursor,
    engine.conversations.list('active'),
    engine.conversations.outbox,
    engine.preferences.value,
    engine.preferences.cursor,
    engine.agents.agents,
    engine.agents.runs,
  ]
  const before = read()
  for (const [i, value] of read().entries()) expect(value).toBe(before[i])

  let calls = 0
  const { subscribe } = engine.preferences
  const end = [subscribe(() => calls++), (0, engine.subscribe)(() => calls++)]
  engine.preferences.update({ a: 1 })
  await user.time.pass(10)
  expect(calls).toBeGreaterThanOrEqual(2)
  expect(engine.outbox).not.toBe(before[1])
  end.forEach((unsubscribe) => unsubscribe())
})

test('reconnects are spread over a growing interval of at most ten seconds', async () => {
  await using user = new SimulatedUser()
  const tries: number[] = []
  const device = await user.device({ random: () => 0.999 })
  await user.time.pass(10_000)
  device.wire.faults = watching('refusal', () => tries.push(user.time.now()))
  device.wire.goOffline()
  await user.time.pass(60_000)
  const waits = tries
    .filter((_, i) => i % 4 === 0)
    .map((at, i, all) => Math.round((at - (all[i - 1] ?? at)) / 1_000))
  expect(waits.slice(1, 6)).toEqual([2, 4, 8, 10, 10])
})

test('a device leaves a draining node in time', async () => {
  await using user = new SimulatedUser()
  const device = await user.device()
  let joins = 0
  device.wire.faults = watching('sync', () => joins++)
  user.server.emit('account', 'draining', { reconnect_within_ms: 1_000 })
  await user.time.until(() => joins === 4, 1_000)
  await user.time.until(() => device.engine.connection === 'live', 100)
})

test('a mute connection is given up and the command arrives over the next one', async () => {
  await using user = new SimulatedUser()
  const device = await user.device()
  device.wire.faults = {
    ...noFaults,
    drops: (what) => what === 'command' || what === 'change' || what === 'head',
  }
  device.engine.preferences.update({ a: 1 })
  await user.time.until(() => device.engine.connection !== 'live', 30_000)
  device.wire.faults = noFaults
  await user.quiet()
  expect(user.server.preferences.preferences).toEqual({ a: 1 })
})

test('an idle connection that dies is given up', async () => {
  await using user = new SimulatedUser()
  const device = await user.device()
  device.wire.faults = { ...noFaults, drops: () => true }
  await user.time.until(() => device.engine.connection !== 'live', 90_000)
})

describe('a slow wire that needs a minute for a large change', () => {
  const MINUTE = 60_000
  const slow = (...kinds: string[]): Faults => ({
    ...noFaults,
    delay: (what) => (kinds.includes(what) ? MINUTE : 5),
  })

  test('does not count as dead when a device comes back', async () => {
    await using user = new SimulatedUser()
    const device = await user.device()
    device.wire.goOffline()
    user.server.append('preferences', {
      op: 'updated',
      entity_id: newId(),
      version: 2,
      data: { patch: { a: 1 } },
    })
    device.wire.faults = slow('sync')
    device.wire.goOnline()
    await user.time.until(() => device.engine.preferences.value.a === 1, 10 * MINUTE)
    await user.time.until(() => device.engine.connection === 'live', MINUTE)
  })

  test('does not count as dead while a command’s answer queues after the change', async () => {
    await using user = new SimulatedUser()
    const device = await user.device()
    device.wire.faults = slow('change', 'head', 'ack', 'sync')
    const { outcome } = device.engine.preferences.update({ a: 1 })
    await user.time.until(() => device.engine.unsent === 0, 10 * MINUTE)
    await expect(outcome).resolves.toMatchObject({ ok: true })
  })

  test('is found dead as fast as any other wire, once answers are fast again', async () => {
    await using user = new SimulatedUser()
    const device = await user.device()
    device.wire.faults = slow('change', 'head', 'ack', 'sync')
    device.engine.preferences.update({ a: 1 })
    await user.time.until(() => device.engine.unsent === 0, 10 * MINUTE)
    device.wire.faults = noFaults
    await user.quiet()
    device.engine.preferences.update({ a: 2 })
    await user.quiet()
    device.wire.faults = { ...noFaults, drops: () => true }
    device.engine.preferences.update({ a: 3 })
    await user.time.until(() => device.engine.connection !== 'live', 20_000)
  })
})

test('a permanent refusal stops the engine, and its state says why', async () => {
  await using user = new SimulatedUser()
  const device = await user.device()
  user.server.refuseNext = new Fault('protocol_unsupported')
  device.engine.preferences.update({ a: 1 })
  await user.time.until(() => device.engine.state.name === 'stopped')
  expect(device.engine.state).toMatchObject({ problem: { code: 'protocol_unsupported' } })
})

test('presence follows the other connections and is forgotten when this device’s own connection ends', async () => {
  await using user = new SimulatedUser()
  const device = await user.device()
  const other = { session_id: newId(), connection_id: 'c1', device: 'phone' }
  const viewing = newId()
  user.server.emit('account', 'presence', { ...other, online: true, viewing })
  await user.time.pass(10)
  expect([...device.engine.account.presence.values()]).toMatchObject([{ viewing }])
  user.server.emit('account', 'presence', { ...other, online: false })
  await user.time.pass(10)
  expect(device.engine.account.presence.size).toBe(0)
  user.server.emit('account', 'presence', { ...other, online: true })
  await user.time.pass(10)
  device.wire.cut()
  expect(device.engine.account.presence.size).toBe(0)
})
