// Commands that the server has not confirmed yet: shown at once, sent until answered, and never
// shown or executed twice.
import { expect, test } from 'vitest'
import { Fault } from '@lockstep/protocol/errors'
import { SimulatedUser, type Device } from './simulated-user.ts'
import { noFaults } from './fake-wire.ts'

const say = (content: string) => ({ role: 'user' as const, content })

async function chat(user: SimulatedUser, device: Device): Promise<string> {
  const { id } = device.engine.conversations.create({ title: 'chat' })
  void device.engine.conversations.open(id)
  await user.quiet()
  return id
}
const said = ({ engine }: Device, id: string) =>
  engine.conversations.get(id)?.messages.map(({ content }) => content)
const deliveries = ({ engine }: Device, id: string) =>
  engine.conversations.get(id)?.messages.map(({ delivery }) => delivery)

test('CLIENT-4: a command shows at once and keeps its place, id and content when it is confirmed', async () => {
  await using user = new SimulatedUser()
  const device = await user.device()
  const id = await chat(user, device)
  const sent = device.engine.conversations.append(id, say('hello'))
  expect(deliveries(device, id)).toEqual(['sending'])
  await expect(outcome(user, sent.outcome)).resolves.toMatchObject({ ok: true })
  expect(device.engine.conversations.get(id)?.messages[0]).toMatchObject({
    id: sent.id,
    delivery: 'sent',
    position: 1,
  })
})

test('CLIENT-5: an echo that overtakes its ack, and one that comes long after it, never show a message twice or not at all', async () => {
  for (const slow of ['ack', 'change']) {
    await using user = new SimulatedUser()
    const device = await user.device()
    const id = await chat(user, device)
    device.wire.faults = { ...noFaults, delay: (what) => (what === slow ? 900 : 5) }
    device.engine.conversations.append(id, say('once'))
    const seen = new Set<number>()
    const unsubscribe = device.engine.conversations.subscribe(() =>
      seen.add(said(device, id)!.length),
    )
    await user.time.pass(5_000)
    unsubscribe()
    expect([...seen], `slow ${slow}`).toEqual([1])
    expect(user.server.acked.size).toBe(2)
  }
})

test('CLIENT-6: after a lost ack the same command is sent again and executed once', async () => {
  await using user = new SimulatedUser()
  const device = await user.device()
  const id = await chat(user, device)
  let acks = 0
  device.wire.faults = {
    ...noFaults,
    drops: (what) => what === 'change' || (what === 'ack' && acks++ === 0),
  }
  const sent = device.engine.conversations.rename(id, 'renamed')
  await expect(outcome(user, sent.outcome)).resolves.toMatchObject({ ok: true })
  expect(user.server.head('conversations').seq).toBe(2)
  expect(user.server.acked.size).toBe(2)
})

test('CLIENT-5: an echo is as good as an ack', async () => {
  await using user = new SimulatedUser()
  const device = await user.device()
  const id = await chat(user, device)
  device.wire.faults = { ...noFaults, drops: (what) => what === 'ack' }
  const sent = device.engine.conversations.rename(id, 'renamed')
  await user.time.pass(100)
  expect(device.engine.outbox).toEqual([])
  await expect(outcome(user, sent.outcome)).resolves.toMatchObject({
    ok: true,
    seq: 2,
    version: 2,
  })
})

test('the commands of one conversation arrive in order over a wire that reorders frames', async () => {
  await using user = new SimulatedUser()
  const device = await user.device()
  const id = await chat(user, device)
  let delay = 900
  device.wire.faults = { ...noFaults, delay: (what) => (what === 'command' ? (delay -= 100) : 5) }
  for (const content of ['a', 'b', 'c']) device.engine.conversations.append(id, say(content))
  await user.quiet()
  expect(user.server.conversations.get(id)).toMatchObject({
    messages: [say('a'), say('b'), say('c')],
  })
})

test('offline, commands queue in order, show as queued, and drain on return', async () => {
  await using user = new SimulatedUser()
  const device = await user.device()
  const id = await chat(user, device)
  device.wire.goOffline()
  await user.time.pass(100)
  for (const content of ['a', 'b', 'c']) device.engine.conversations.append(id, say(content))
  expect(deliveries(device, id)).toEqual(['queued', 'queued', 'queued'])
  expect([device.engine.unsent, device.engine.connection]).toEqual([3, 'offline'])
  device.wire.goOnline()
  device.engine.nudge()
  await user.quiet()
  expect(device.engine.unsent).toBe(0)
  expect(user.server.conversations.get(id)).toMatchObject({
    messages: [say('a'), say('b'), say('c')],
  })
})

test('CLIENT-4: the messages of other devices come before this device’s unsent ones', async () => {
  await using user = new SimulatedUser()
  const [mine, other] = [await user.device(), await user.device()]
  const id = await chat(user, mine)
  mine.wire.goOffline()
  mine.engine.conversations.append(id, say('mine'))
  other.engine.conversations.append(id, say('theirs'))
  await user.quiet()
  mine.wire.goOnline()
  mine.wire.faults = { ...noFaults, drops: (what) => what === 'command' }
  await user.time.until(() => said(mine, id)?.length === 2)
  expect(said(mine, id)).toEqual(['theirs', 'mine'])
})

test('a retryable command is repeated, no earlier than the server allows', async () => {
  for (const code of ['rate_limited', 'unavailable'] as const) {
    await using user = new SimulatedUser()
    const device = await user.device()
    const id = await chat(user, device)
    user.server.refuseNext = new Fault(code, { retry_after_ms: 7_000 })
    const sent = device.engine.conversations.rename(id, 'patience')
    await user.time.pass(6_500)
    expect(device.engine.outbox).toMatchObject([{ status: 'queued', problem: { code } }])
    await expect(outcome(user, sent.outcome)).resolves.toMatchObject({ ok: true })
  }
})

test('setting the wall clock back delays no waiting command', async () => {
  await using user = new SimulatedUser()
  const device = await user.device()
  user.server.refuseNext = new Fault('unavailable', { retry_after_ms: 7_000 })
  const sent = device.engine.preferences.update({ a: 1 })
  await user.time.until(() => device.engine.outbox[0]?.problem !== undefined)
  user.clockAhead = -3_600_000
  await user.time.until(() => user.server.acked.size > 0, 10_000)
  await expect(outcome(user, sent.outcome)).resolves.toMatchObject({ ok: true })
})

test('a refused message stays with its reason, blocks nothing, and can be sent again or discarded', async () => {
  await using user = new SimulatedUser()
  const device = await user.device()
  const [id, other] = [await chat(user, device), await chat(user, device)]
  user.server.refuseNext = new Fault('too_large')
  const sent = device.engine.conversations.append(id, say('big'))
  const beside = device.engine.conversations.append(other, say('beside'))
  await expect(outcome(user, sent.outcome)).resolves.toMatchObject({
    ok: false,
    problem: { code: 'too_large' },
  })
  await expect(outcome(user, beside.outcome)).resolves.toMatchObject({ ok: true })
  expect(deliveries(device, id)).toEqual(['failed'])
  device.engine.outbox[0]!.retry()
  await user.quiet()
  expect(deliveries(device, id)).toEqual(['sent'])

  user.server.refuseNext = new Fault('too_large')
  await outcome(user, device.engine.conversations.append(id, say('big')).outcome)
  device.engine.outbox[0]!.discard()
  expect(said(device, id)).toEqual(['big'])
})

test('editing a refused message sends it again', async () => {
  await using user = new SimulatedUser()
  const device = await user.device()
  const id = await chat(user, device)
  user.server.refuseNext = new Fault('too_large')
  const sent = device.engine.conversations.append(id, say('too big'))
  await outcome(user, sent.outcome)
  device.engine.conversations.edit(id, sent.id, 'small')
  await user.quiet()
  expect(said(device, id)).toEqual(['small'])
  expect(device.engine.outbox).toEqual([])
})

test('CLIENT-4: a refused field falls back to the server’s value', async () => {
  await using user = new SimulatedUser()
  const device = await user.device()
  const id = await chat(user, device)
  user.server.refuseNext = new Fault('invalid')
  const sent = device.engine.conversations.rename(id, 'no')
  expect(device.engine.conversations.get(id)?.title).toBe('no')
  await outcome(user, sent.outcome)
  expect(device.engine.conversations.get(id)?.title).toBe('chat')
})

test('a conflict carries the current state; overwriting keeps my value, discarding takes theirs', async () => {
  await using user = new SimulatedUser()
  const [mine, other] = [await user.device(), await user.device()]
  const id = await chat(user, mine)
  for (const keepMine of [true, false]) {
    const { version } = mine.engine.conversations.get(id)!
    mine.wire.goOffline()
    const sent = mine.engine.conversations.rename(id, `mine ${keepMine}`, { if_version: version })
    other.engine.conversations.rename(id, `theirs ${keepMine}`)
    await user.quiet()
    mine.wire.goOnline()
    const current = { title: `theirs ${keepMine}` }
    await expect(outcome(user, sent.outcome)).resolves.toMatchObject({
      problem: { code: 'version_conflict', current },
    })
    const [item] = mine.engine.outbox
    if (keepMine) item!.retry({ overwrite: true })
    else item!.discard()
    await user.quiet()
    expect(mine.engine.conversations.get(id)?.title).toBe(keepMine ? 'mine true' : 'theirs false')
  }
})

test('an edit of an outdated version becomes a conflict, not a silent loss', async () => {
  await using user = new SimulatedUser()
  const [mine, other] = [await user.device(), await user.device()]
  const id = await chat(user, mine)
  const { id: message_id } = mine.engine.conversations.append(id, say('draft'))
  void other.engine.conversations.open(id)
  await user.quiet()
  mine.wire.goOffline()
  const sent = mine.engine.conversations.edit(id, message_id, 'mine', { version: 1 })
  other.engine.conversations.edit(id, message_id, 'theirs', { version: 1 })
  await user.quiet()
  mine.wire.goOnline()
  const current = { content: 'theirs', version: 2 }
  await expect(outcome(user, sent.outcome)).resolves.toMatchObject({
    problem: { code: 'version_conflict', current },
  })
  mine.engine.outbox[0]!.retry({ overwrite: true })
  await user.quiet()
  expect(said(other, id)).toEqual(['mine'])
})

/** Lets time pass until the promise settles, and returns its value. */
async function outcome<T>(user: SimulatedUser, promise: Promise<T>): Promise<T> {
  let settled: { value: T } | undefined
  void promise.then((value) => (settled = { value }))
  await user.time.until(() => settled !== undefined)
  return settled!.value
}
