// Commands that the server has not confirmed yet: shown at once, sent until answered, and never
// shown or executed twice.
import { expect, test } from 'vitest'
import { Fault } from '@lockstep/protocol/errors'
import { House, type Device } from './devices.ts'
import { noFaults } from './fake-wire.ts'

const say = (content: string) => ({ role: 'user' as const, content })

async function chat(house: House, device: Device): Promise<string> {
  const { id } = device.engine.conversations.create({ title: 'chat' })
  void device.engine.conversations.open(id)
  await house.quiet()
  return id
}
const said = ({ engine }: Device, id: string) =>
  engine.conversations.get(id)?.messages.map(({ content }) => content)
const deliveries = ({ engine }: Device, id: string) =>
  engine.conversations.get(id)?.messages.map(({ delivery }) => delivery)

test('CLIENT-4: a command shows at once and keeps its place, id and content when it is confirmed', async () => {
  await using house = new House()
  const device = await house.device()
  const id = await chat(house, device)
  const sent = device.engine.conversations.append(id, say('hello'))
  expect(deliveries(device, id)).toEqual(['sending'])
  await expect(outcome(house, sent.outcome)).resolves.toMatchObject({ ok: true })
  expect(device.engine.conversations.get(id)?.messages[0]).toMatchObject({
    id: sent.id,
    delivery: 'sent',
    position: 1,
  })
})

test('CLIENT-5: an echo that overtakes its ack, and one that comes long after it, never show a message twice or not at all', async () => {
  for (const slow of ['ack', 'change']) {
    await using house = new House()
    const device = await house.device()
    const id = await chat(house, device)
    device.wire.faults = { ...noFaults, delay: (what) => (what === slow ? 900 : 5) }
    device.engine.conversations.append(id, say('once'))
    const seen = new Set<number>()
    const unsubscribe = device.engine.conversations.subscribe(() =>
      seen.add(said(device, id)!.length),
    )
    await house.time.pass(5_000)
    unsubscribe()
    expect([...seen], `slow ${slow}`).toEqual([1])
    expect(house.server.acked.size).toBe(2)
  }
})

test('CLIENT-6: after a lost ack the same command is sent again and executed once', async () => {
  await using house = new House()
  const device = await house.device()
  const id = await chat(house, device)
  let acks = 0
  device.wire.faults = {
    ...noFaults,
    drops: (what) => what === 'change' || (what === 'ack' && acks++ === 0),
  }
  const sent = device.engine.conversations.rename(id, 'renamed')
  await expect(outcome(house, sent.outcome)).resolves.toMatchObject({ ok: true })
  expect(house.server.head('conversations').seq).toBe(2)
  expect(house.server.acked.size).toBe(2)
})

test('CLIENT-5: an echo is as good as an ack', async () => {
  await using house = new House()
  const device = await house.device()
  const id = await chat(house, device)
  device.wire.faults = { ...noFaults, drops: (what) => what === 'ack' }
  const sent = device.engine.conversations.rename(id, 'renamed')
  await house.time.pass(100)
  expect(device.engine.outbox).toEqual([])
  await expect(outcome(house, sent.outcome)).resolves.toMatchObject({
    ok: true,
    seq: 2,
    version: 2,
  })
})

test('the commands of one conversation arrive in order over a wire that reorders frames', async () => {
  await using house = new House()
  const device = await house.device()
  const id = await chat(house, device)
  let delay = 900
  device.wire.faults = { ...noFaults, delay: (what) => (what === 'command' ? (delay -= 100) : 5) }
  for (const content of ['a', 'b', 'c']) device.engine.conversations.append(id, say(content))
  await house.quiet()
  expect(house.server.conversations.get(id)).toMatchObject({
    messages: [say('a'), say('b'), say('c')],
  })
})

test('offline, commands queue in order, show as queued, and drain on return', async () => {
  await using house = new House()
  const device = await house.device()
  const id = await chat(house, device)
  device.wire.goOffline()
  await house.time.pass(100)
  for (const content of ['a', 'b', 'c']) device.engine.conversations.append(id, say(content))
  expect(deliveries(device, id)).toEqual(['queued', 'queued', 'queued'])
  expect([device.engine.unsent, device.engine.connection]).toEqual([3, 'offline'])
  device.wire.goOnline()
  device.engine.nudge()
  await house.quiet()
  expect(device.engine.unsent).toBe(0)
  expect(house.server.conversations.get(id)).toMatchObject({
    messages: [say('a'), say('b'), say('c')],
  })
})

test('CLIENT-4: the messages of other devices come before this device’s unsent ones', async () => {
  await using house = new House()
  const [mine, other] = [await house.device(), await house.device()]
  const id = await chat(house, mine)
  mine.wire.goOffline()
  mine.engine.conversations.append(id, say('mine'))
  other.engine.conversations.append(id, say('theirs'))
  await house.quiet()
  mine.wire.goOnline()
  mine.wire.faults = { ...noFaults, drops: (what) => what === 'command' }
  await house.time.until(() => said(mine, id)?.length === 2)
  expect(said(mine, id)).toEqual(['theirs', 'mine'])
})

test('a retryable command is repeated, no earlier than the server allows', async () => {
  for (const code of ['rate_limited', 'unavailable'] as const) {
    await using house = new House()
    const device = await house.device()
    const id = await chat(house, device)
    house.server.refuseNext = new Fault(code, { retry_after_ms: 7_000 })
    const sent = device.engine.conversations.rename(id, 'patience')
    await house.time.pass(6_500)
    expect(device.engine.outbox).toMatchObject([{ status: 'queued', problem: { code } }])
    await expect(outcome(house, sent.outcome)).resolves.toMatchObject({ ok: true })
  }
})

test('setting the wall clock back delays no waiting command', async () => {
  await using house = new House()
  const device = await house.device()
  house.server.refuseNext = new Fault('unavailable', { retry_after_ms: 7_000 })
  const sent = device.engine.preferences.update({ a: 1 })
  await house.time.until(() => device.engine.outbox[0]?.problem !== undefined)
  house.clockAhead = -3_600_000
  await house.time.until(() => house.server.acked.size > 0, 10_000)
  await expect(outcome(house, sent.outcome)).resolves.toMatchObject({ ok: true })
})

test('a refused message stays with its reason, blocks nothing, and can be sent again or discarded', async () => {
  await using house = new House()
  const device = await house.device()
  const [id, other] = [await chat(house, device), await chat(house, device)]
  house.server.refuseNext = new Fault('too_large')
  const sent = device.engine.conversations.append(id, say('big'))
  const beside = device.engine.conversations.append(other, say('beside'))
  await expect(outcome(house, sent.outcome)).resolves.toMatchObject({
    ok: false,
    problem: { code: 'too_large' },
  })
  await expect(outcome(house, beside.outcome)).resolves.toMatchObject({ ok: true })
  expect(deliveries(device, id)).toEqual(['failed'])
  device.engine.outbox[0]!.retry()
  await house.quiet()
  expect(deliveries(device, id)).toEqual(['sent'])

  house.server.refuseNext = new Fault('too_large')
  await outcome(house, device.engine.conversations.append(id, say('big')).outcome)
  device.engine.outbox[0]!.discard()
  expect(said(device, id)).toEqual(['big'])
})

test('editing a refused message sends it again', async () => {
  await using house = new House()
  const device = await house.device()
  const id = await chat(house, device)
  house.server.refuseNext = new Fault('too_large')
  const sent = device.engine.conversations.append(id, say('too big'))
  await outcome(house, sent.outcome)
  device.engine.conversations.edit(id, sent.id, 'small')
  await house.quiet()
  expect(said(device, id)).toEqual(['small'])
  expect(device.engine.outbox).toEqual([])
})

test('CLIENT-4: a refused field falls back to the server’s value', async () => {
  await using house = new House()
  const device = await house.device()
  const id = await chat(house, device)
  house.server.refuseNext = new Fault('invalid')
  const sent = device.engine.conversations.rename(id, 'no')
  expect(device.engine.conversations.get(id)?.title).toBe('no')
  await outcome(house, sent.outcome)
  expect(device.engine.conversations.get(id)?.title).toBe('chat')
})

test('a conflict carries the current state; overwriting keeps my value, discarding takes theirs', async () => {
  await using house = new House()
  const [mine, other] = [await house.device(), await house.device()]
  const id = await chat(house, mine)
  for (const keepMine of [true, false]) {
    const { version } = mine.engine.conversations.get(id)!
    mine.wire.goOffline()
    const sent = mine.engine.conversations.rename(id, `mine ${keepMine}`, { if_version: version })
    other.engine.conversations.rename(id, `theirs ${keepMine}`)
    await house.quiet()
    mine.wire.goOnline()
    const current = { title: `theirs ${keepMine}` }
    await expect(outcome(house, sent.outcome)).resolves.toMatchObject({
      problem: { code: 'version_conflict', current },
    })
    const [item] = mine.engine.outbox
    if (keepMine) item!.retry({ overwrite: true })
    else item!.discard()
    await house.quiet()
    expect(mine.engine.conversations.get(id)?.title).toBe(keepMine ? 'mine true' : 'theirs false')
  }
})

test('an edit of an outdated version becomes a conflict, not a silent loss', async () => {
  await using house = new House()
  const [mine, other] = [await house.device(), await house.device()]
  const id = await chat(house, mine)
  const { id: message_id } = mine.engine.conversations.append(id, say('draft'))
  void other.engine.conversations.open(id)
  await house.quiet()
  mine.wire.goOffline()
  const sent = mine.engine.conversations.edit(id, message_id, 'mine', { version: 1 })
  other.engine.conversations.edit(id, message_id, 'theirs', { version: 1 })
  await house.quiet()
  mine.wire.goOnline()
  const current = { content: 'theirs', version: 2 }
  await expect(outcome(house, sent.outcome)).resolves.toMatchObject({
    problem: { code: 'version_conflict', current },
  })
  mine.engine.outbox[0]!.retry({ overwrite: true })
  await house.quiet()
  expect(said(other, id)).toEqual(['mine'])
})

/** Lets time pass until the promise settles, and returns its value. */
async function outcome<T>(house: House, promise: Promise<T>): Promise<T> {
  let settled: { value: T } | undefined
  void promise.then((value) => (settled = { value }))
  await house.time.until(() => settled !== undefined)
  return settled!.value
}
