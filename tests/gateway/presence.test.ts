// Which devices of a user are online, and what they look at.
import { expect, test } from 'vitest'
import { newId } from '@lockstep/protocol/ids'
import { startScriptedNode } from './scripted-node.ts'

test('devices learn which devices are online, and which of them come, look at something else and go', async () => {
  await using node = await startScriptedNode()
  const first = node.sessions.signIn()
  const second = node.sessions.signIn(first.user_id)
  const stranger = node.sessions.signIn()
  const here = await node.join('account', first.cookie)
  const alien = await node.join('account', stranger.cookie)
  const conversation_id = newId()
  expect(await here.request('viewing', { conversation_id })).toEqual({ ok: true, data: null })

  const other = await node.join('account', second.cookie)
  const device = 'Test on Linux'
  expect(await other.next('presence')).toEqual({
    session_id: first.session_id,
    connection_id: here.socket.id,
    device,
    online: true,
    viewing: conversation_id,
  })
  const arrival = {
    session_id: second.session_id,
    connection_id: other.socket.id,
    device,
    online: true,
  }
  expect(await here.next('presence')).toEqual(arrival)

  await other.request('viewing', { conversation_id: null })
  expect(await here.next('presence')).toEqual({ ...arrival, viewing: null })
  await other.request('viewing', { conversation_id: null })
  other.socket.disconnect()
  expect(await here.next('presence')).toEqual({ ...arrival, online: false })
  expect(alien.eventNames()).toEqual(['sync'])
})
