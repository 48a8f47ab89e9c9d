// The reports of developers' tools, across nodes.
import { expect, test } from 'vitest'
import { newId } from '@lockstep/protocol/ids'
import { startScriptedCluster } from './scripted-cluster.ts'

test('a report reaches the devices that report on other nodes, once', async () => {
  await using cluster = await startScriptedCluster(2)
  const [a, b] = cluster.nodes
  const { cookie, user_id } = cluster.sessions.signIn()
  const here = await a.join('account', cookie)
  const there = await b.join('account', cluster.sessions.signIn(user_id).cookie)
  const silent = await b.join('account', cookie)
  await here.next('presence') // the nodes know of each other's devices
  await there.request('trace', { trace_id: null })
  const trace_id = newId()
  await here.request('trace', { trace_id, timings: { acked: 7 } })
  const heard = { trace_id, device: 'Test on Linux', timings: { acked: 7 } }
  expect(await there.next('trace')).toEqual(heard)
  await there.request('trace', { trace_id })
  expect(await here.next('trace')).toEqual({ trace_id, device: 'Test on Linux' })
  for (const device of [there, silent])
    expect(device.seen.filter(({ event }) => event === 'trace')).toHaveLength(
      device === there ? 1 : 0,
    )
})
