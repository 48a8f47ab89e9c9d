// Readers that don't read, over real sockets.
import { expect, test } from 'vitest'
import type { Change } from '../../protocol/change.ts'
import type { Sync } from '../../protocol/sync.ts'
import { eventually } from '../harness/eventually.ts'
import { startHouse, tcpOf, type Client, type House } from './house.ts'

/** Delivers changes of a kilobyte each, giving the network its turns. */
async function deliver(house: House, user_id: string, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    const change = house.log.append(user_id, { data: { text: 'x'.repeat(1_000) } })
    house.gateway.deliver(user_id, change)
    if (i % 100 === 0) await new Promise((resolve) => setImmediate(resolve))
  }
}

/** The `seq`s a client was given, by syncs and changes, in order. */
function seqs(client: Client): number[] {
  return client.seen.flatMap(({ event, payload }) => {
    if (event === 'sync') return (payload as Sync).changes.map(({ seq }) => seq)
    return event === 'change' ? [(payload as Change).seq] : []
  })
}

test('GATE-4 a paused reader costs little memory, is caught up when it reads on, and misses nothing', async () => {
  await using house = await startHouse()
  const { cookie, user_id } = house.sessions.signIn()
  const slow = await house.join('conversations', cookie)
  const fast = await house.join('conversations', cookie)
  tcpOf(slow).pause()
  const count = 12_000
  await deliver(house, user_id, count)
  await eventually(() => seqs(fast).length === count)
  expect(await house.metric('lockstep_device_lags_total')).toBeGreaterThan(0)
  // 12 MB were delivered, and the log holds them all
  expect(await house.metric('lockstep_backlog_bytes')).toBeLessThan(1_000_000)
  tcpOf(slow).resume()
  await eventually(() => seqs(slow).length === count, { within: 15_000 })
  expect(seqs(slow)).toEqual(Array.from({ length: count }, (_, i) => i + 1))
  const live = house.log.append(user_id)
  house.gateway.deliver(user_id, live)
  await eventually(() => slow.seen.at(-1)?.event === 'change')
})

test('GATE-4 a reader that stays slow is let go', async () => {
  await using house = await startHouse({ settings: { timings: { slow: 200 } } })
  const { cookie, user_id } = house.sessions.signIn()
  const slow = await house.join('conversations', cookie)
  tcpOf(slow).pause()
  await deliver(house, user_id, 8_000)
  await eventually(async () => (await house.metric('lockstep_sockets_ended_total')) === 1)
  await eventually(async () => (await house.metric('lockstep_sockets')) === 0)
})

test('GATE-4 answers that nobody reads end the connection', async () => {
  await using house = await startHouse({
    settings: { wire: { busy: 64 * 1024, end: 2_000_000 } },
    execute: () => Promise.resolve({ data: 'x'.repeat(1_000_000), seq: 1, version: 1, changed: true }),
  })
  const { cookie, user_id } = house.sessions.signIn()
  const greedy = await house.join('conversations', cookie)
  tcpOf(greedy).pause()
  for (let i = 0; i < 50; i++)
    greedy.socket.emit('delete', { conversation_id: user_id, mutation_id: user_id }, () => undefined)
  await eventually(async () => (await house.metric('lockstep_sockets')) === 0)
})
