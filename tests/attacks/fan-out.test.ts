// One account with many devices, which tell each other things as often as they may.
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { newId } from '@lockstep/protocol/ids'
import { gatewaySettings } from '../../realtime/gateway/settings.ts'
import { startScriptedNode } from '../gateway/scripted-node.ts'
import { eventually } from '../harness/eventually.ts'

test('a user has 50 devices on a node: one more is told to wait, nobody is evicted, and a place that becomes free is given', async () => {
  expect(gatewaySettings.devicesPerUser).toBe(50)
  await using node = await startScriptedNode({ settings: { devicesPerUser: 3 } })
  const { cookie } = node.sessions.signIn()
  const devices = await Promise.all([1, 2, 3].map(() => node.join('account', cookie)))
  const refused = await node.connect('account', cookie).next('connect_error')
  expect(refused.data).toMatchObject({ code: 'rate_limited', status: 429 })
  expect(refused.data?.retry_after_ms).toBeGreaterThan(0)
  expect(devices.map(({ socket }) => socket.connected)).toEqual([true, true, true])
  // another user isn't concerned, and neither are the other namespaces of a device
  await node.join('account', node.sessions.signIn().cookie)
  devices[0]!.socket.disconnect()
  await eventually(async () => {
    const client = node.connect('account', cookie)
    await Promise.race([client.next('sync'), client.next('connect_error')])
    return client.eventNames().includes('sync')
  })
})

test('devices that join at the same moment count too', async () => {
  await using node = await startScriptedNode({ settings: { devicesPerUser: 5 } })
  const { cookie } = node.sessions.signIn()
  const clients = Array.from({ length: 20 }, () => node.connect('account', cookie))
  await Promise.all(
    clients.map((client) => Promise.race([client.next('sync'), client.next('connect_error')])),
  )
  expect(clients.filter((client) => client.eventNames().includes('sync'))).toHaveLength(5)
})

test('devices that say all the time what they look at keep their connections if they wait as they are told', async () => {
  await using node = await startScriptedNode({
    settings: { eventsPerUser: { rate: 100, burst: 50 } },
  })
  const { cookie } = node.sessions.signIn()
  const devices = await Promise.all(Array.from({ length: 10 }, () => node.join('account', cookie)))
  await Promise.all(
    devices.map(async (device) => {
      for (let told = 0; told < 6;) {
        const { ok, error } = await device.request('viewing', { conversation_id: newId() })
        if (ok) told++
        else await sleep((error as { retry_after_ms?: number }).retry_after_ms)
      }
    }),
  )
  expect(devices.every(({ socket }) => socket.connected)).toBe(true)
  expect(await node.metric('lockstep_sockets_ended_total')).toBe(0)
})

test('what 50 devices look at is told to all of them at last, and seldom in between', async () => {
  const often = { rate: 1e6, burst: 1e6 }
  await using node = await startScriptedNode({
    settings: { events: often, eventsPerUser: often, inFlight: 10_000 },
  })
  const { cookie } = node.sessions.signIn()
  const devices = await Promise.all(Array.from({ length: 50 }, () => node.join('account', cookie)))
  const before = devices[0]!.seen.length
  const last = devices.map(() => newId())
  for (let round = 0; round < 60; round++)
    await Promise.all(
      devices.map((device, n) =>
        device.request('viewing', { conversation_id: round === 59 ? last[n] : newId() }),
      ),
    )
  const watcher = devices[0]!
  await eventually(() =>
    last
      .slice(1)
      .every((conversation) =>
        watcher.seen.some(
          ({ event, payload }) =>
            event === 'presence' && (payload as { viewing?: string }).viewing === conversation,
        ),
      ),
  )
  // 3,000 messages of 50 devices would be 147,000 events: this one would have got 2,940
  expect(watcher.seen.length - before).toBeLessThan(1_000)
})

test('of the reports of 50 devices, a node passes on as many as one user may send', async () => {
  const often = { rate: 1e6, burst: 1e6 }
  await using node = await startScriptedNode({
    settings: {
      ...{ events: often, eventsPerUser: often, inFlight: 10_000 },
      traces: { rate: 1e-6, burst: 10 },
    },
  })
  const { cookie } = node.sessions.signIn()
  const devices = await Promise.all(Array.from({ length: 50 }, () => node.join('account', cookie)))
  await Promise.all(devices.map((device) => device.request('trace', { trace_id: null })))
  for (let round = 0; round < 10; round++)
    await Promise.all(devices.map((device) => device.request('trace', { trace_id: newId() })))
  const told = devices.flatMap(({ seen }) => seen.filter(({ event }) => event === 'trace'))
  expect(told).toHaveLength(10 * 49)
})
