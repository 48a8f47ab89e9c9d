import { expect, test } from 'vitest'
import { eventually } from '../harness/eventually.ts'
import { startScriptedNode } from './scripted-node.ts'

test('a change is encoded once, whatever the number of devices', async () => {
  await using node = await startScriptedNode()
  const { cookie, user_id } = node.sessions.signIn()
  const devices = await Promise.all(
    Array.from({ length: 5 }, () => node.join('conversations', cookie)),
  )
  let encoded = 0
  const deleted_at = {
    toJSON() {
      encoded++
      return 'now'
    },
  }
  const change = node.log.append(user_id, { data: { deleted_at } })
  node.gateway.deliver(user_id, change)
  for (const device of devices)
    expect(await device.next('change')).toEqual({ ...change, data: { deleted_at: 'now' } })
  expect(encoded).toBe(1)
})

test.each([1, 125, 126, 1_000, 65_535, 65_536, 300_000])(
  'a frame with about %i bytes of any characters arrives as it was',
  async (length) => {
    await using node = await startScriptedNode()
    const { cookie, user_id } = node.sessions.signIn()
    const client = await node.join('conversations', cookie)
    const title = 'ä👋🏽"\n'
      .repeat(Math.ceil(length / 12))
      .slice(0, length)
      .toWellFormed()
    const before = await node.metric('lockstep_backlog_bytes')
    const change = node.log.append(user_id, { data: { title } })
    node.gateway.deliver(user_id, change)
    expect(await client.next('change')).toEqual(change)
    const delta = { entity_id: change.entity_id, run_id: 'r', offset: 0, text: title }
    node.gateway.delta(user_id, 'conversations', delta)
    expect(await client.next('delta')).toEqual(delta)
    await eventually(async () => (await node.metric('lockstep_backlog_bytes')) === before)
  },
)
