// The reports of developers' tools about a command's way to all devices.
import { beforeAll, expect, test } from 'vitest'
import { newId } from '@lockstep/protocol/ids'
import { Trace } from '@lockstep/protocol/traces'
import { signUp, type Person } from '../harness/person.ts'
import { sharedNodes } from '../harness/shared-node.ts'

const shared = sharedNodes()
let alice: Person
beforeAll(async () => {
  alice = await signUp(shared.node, 'alice')
})

test('the trace id of a command is in the change that every device gets', async () => {
  await using mine = await alice.device('conversations')
  await using other = await (await alice.signIn()).device('conversations')
  const mutation_id = newId()
  await mine.done('create', { mutation_id })
  for (const device of [mine, other])
    await device.until('change', (change) => change.mutation_id === mutation_id)
})

test('a device that reports hears the reports of the others, with the timings and who reports (GATE-11)', async () => {
  await using issuer = await alice.device('account')
  await using watcher = await (await alice.signIn()).device('account')
  await watcher.send('trace', { trace_id: null })
  const trace_id = newId()
  const timings = { sent: 2, acked: 14, applied: 15, devices: [{ device: 'Phone', ms: 30 }] }
  await issuer.send('trace', { trace_id, timings })
  const heard = await watcher.until('trace', (trace) => trace.trace_id === trace_id)
  expect(Trace.parse(heard)).toEqual({ trace_id, timings, device: alice.session.device })
  expect(issuer.inbox.all('trace')).toEqual([])
})

test('nobody else hears them: no device that never reports, no other namespace, no other user (GATE-11)', async () => {
  const bob = await signUp(shared.node, 'bob')
  await using stranger = await bob.device('account')
  await using silent = await alice.device('account')
  await using elsewhere = await alice.device('conversations')
  await using issuer = await alice.device('account')
  await using watcher = await alice.device('account')
  await stranger.send('trace', { trace_id: null })
  await watcher.send('trace', { trace_id: null })
  const trace_id = newId()
  await issuer.send('trace', { trace_id })
  await watcher.until('trace', (trace) => trace.trace_id === trace_id)
  // what was sent before these answers would have come before them
  const ping = { from: 1, to: 1 }
  await Promise.all([stranger, silent, elsewhere].map((device) => device.send('range', ping)))
  for (const device of [stranger, silent, elsewhere]) expect(device.inbox.all('trace')).toEqual([])
})

test('a report is not logged, and its size is bounded', async () => {
  await using device = await alice.device('account')
  const { to } = await device.next('sync')
  const trace_id = newId()
  const other = { device: 'Phone', ms: 30 }
  for (const timings of [undefined, {}, { devices: Array.from({ length: 50 }, () => other) }])
    expect(await device.send('trace', { trace_id, timings })).toMatchObject({ ok: true })
  for (const timings of [
    { sent: -1 },
    { sent: 0.5 },
    { acked: 4e6 },
    { text: 'Secret' },
    { devices: [{ ...other, device: 'x'.repeat(201) }] },
    { devices: Array.from({ length: 51 }, () => other) },
  ])
    expect(await device.send('trace', { trace_id, timings })).toMatchObject({
      ok: false,
      error: { code: 'invalid' },
    })
  for (const payload of [{}, { trace_id: 'x' }, { trace_id, text: 'Secret' }])
    expect(await device.send('trace', payload)).toMatchObject({ error: { code: 'invalid' } })
  expect((await alice.ask('getMe')).seq).toBe(to)
})
