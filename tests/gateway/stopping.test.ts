// How a node that stops disconnects its devices.
import { expect, test } from 'vitest'
import { newId } from '@lockstep/protocol/ids'
import { startScriptedNode, tcpOf } from './scripted-node.ts'

test('draining asks every device to move, refuses new ones, and ends when all are gone', async () => {
  await using node = await startScriptedNode()
  const { cookie } = node.sessions.signIn()
  const clients = [await node.join('conversations', cookie), await node.join('account', cookie)]
  const drained = node.gateway.drain(5_000)
  for (const client of clients) {
    expect(await client.next('draining')).toEqual({ reconnect_within_ms: 5_000 })
    client.socket.disconnect()
  }
  expect((await node.connect('conversations', cookie).next('connect_error')).data?.code).toBe(
    'unavailable',
  )
  for (const client of clients) client.socket.disconnect()
  await drained
})

test('stop waits for the running commands and closes every socket; a second stop joins the first', async () => {
  const { promise, resolve } = Promise.withResolvers<void>()
  await using node = await startScriptedNode({
    execute: async () => {
      await promise
      return { data: null, seq: 1, version: 1, changed: true }
    },
  })
  const client = await node.join('conversations', node.sessions.signIn().cookie)
  const asked = client.request('delete', { conversation_id: newId(), mutation_id: newId() })
  await client.request('range', { from: 1, to: 1 }) // The command before it has begun.
  const stopped = Promise.all([node.gateway.stop(), node.gateway.stop()])
  resolve()
  expect(await asked).toMatchObject({ ok: true, seq: 1 })
  await client.next('disconnect')
  await stopped
})

test('stop ends transports whose device no longer answers', async () => {
  await using node = await startScriptedNode()
  const client = await node.join('conversations', node.sessions.signIn().cookie)
  tcpOf(client).pause()
  await node.gateway.stop()
  const open = await new Promise((resolve) =>
    node.httpServer.getConnections((_error, count) => resolve(count)),
  )
  expect(open).toBe(0)
})
