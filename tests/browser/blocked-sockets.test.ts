// A proxy that passes HTTP and no WebSocket: the page says so, sends over HTTP, shows what others
// change within seconds, and returns to the socket by itself.
import { expect, test } from 'vitest'
import { freshDatabase } from '../harness/database.ts'
import { HttpProxy } from '../harness/http-proxy.ts'
import { startNode } from '../harness/node.ts'
import { signUp } from '../harness/person.ts'
import { recordingLogger } from '../harness/recording-logger.ts'
import { fastReplies, sharedBrowser } from './browser-windows.ts'
import {
  listedConversation,
  startConversation,
  waitForReply,
  waitForVisible,
} from './user-actions.ts'

const windows = sharedBrowser()

test('C5: where only WebSockets are blocked, a user is told, chats over HTTP, sees others’ changes, and is live again by itself', async () => {
  const { logger, lines } = recordingLogger()
  const database = windows.keep(freshDatabase())
  const node = windows.keep(
    await startNode(database, {
      options: { ...fastReplies.options, logger },
    }),
  )
  const proxy = windows.keep(await HttpProxy.to(node.url))
  const alice = await signUp(node, 'alice')
  const page = await windows.open(proxy.url, '/app', { person: alice })
  const sidebar = page.getByRole('complementary')
  await waitForVisible(sidebar.getByText('WebSockets are blocked · updates every few seconds'))

  const id = await startConversation(page, '/demo code')
  await waitForReply(page)
  const { messages } = await alice.ask('getConversation', { params: { id } })
  expect(messages.map(({ role, status }) => `${role} ${status}`)).toEqual([
    'user complete',
    'assistant complete',
  ])
  await alice.ask('createConversation', { body: { title: 'From elsewhere' } })
  await waitForVisible(listedConversation(page, 'From elsewhere'))
  const told = lines.filter((line) => line.includes('can’t open a WebSocket'))
  expect(told).toHaveLength(1)
  expect(JSON.parse(told[0]!)).toMatchObject({ session_id: alice.session.id, level: 40 })
  expect(lines.join()).not.toContain('/demo code')

  proxy.passesUpgrades = true
  await waitForVisible(sidebar.getByText('Live on all devices'), 65_000)
  await alice.ask('createConversation', { body: { title: 'Live again' } })
  await waitForVisible(listedConversation(page, 'Live again'))

  proxy.passesUpgrades = false
  proxy.endTunnels()
  await waitForVisible(sidebar.getByText('WebSockets are blocked · updates every few seconds'))
})
