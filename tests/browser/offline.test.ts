// A device without a connection: one goes on working, sees what waits, and nothing is lost.
import { expect, test } from 'vitest'
import { signUp } from '../harness/person.ts'
import { sharedNodes } from '../harness/shared-node.ts'
import { Wire } from '../harness/wire.ts'
import { quickReplies, sharedBrowser } from './browser-windows.ts'
import { begin, choose, hides, listed, replied, said, say, shows } from './user-actions.ts'

const shared = sharedNodes(1, quickReplies)
const windows = sharedBrowser()

test('what is written while offline waits in sight, and arrives when the connection is back', async () => {
  const alice = await signUp(shared.node, 'alice')
  await using wire = await Wire.to({ port: Number(new URL(shared.node.url).port) })
  const away = await windows.open(`http://${wire.address}`, '/app', { person: alice })
  const home = await windows.open(shared.node.url, '/app', { person: await alice.signIn() })
  const id = await begin(away, 'Before the tunnel')
  await shows(listed(home, 'Before the tunnel'))
  await home.goto(`${shared.node.url}/app/c/${id}`)
  await replied(away)

  wire.cut()
  await say(away, 'Written in the tunnel')
  await shows(away.getByText('Waiting to be sent'))
  await choose(away, 'Before the tunnel', 'Rename')
  const title = away.getByRole('textbox', { name: 'Title of the conversation' })
  await title.fill('Renamed in the tunnel')
  await title.press('Enter')
  await shows(away.getByRole('complementary').getByText(/waiting$/))
  expect(await said(home, 'Written in the tunnel').count()).toBe(0)

  const asked = new Promise<string>((resolve) => {
    away.once('dialog', (dialog) => {
      resolve(dialog.type())
      void dialog.dismiss()
    })
  })
  await away.close({ runBeforeUnload: true })
  expect(await asked).toBe('beforeunload')

  wire.restore()
  await shows(said(home, 'Written in the tunnel'), 15_000)
  await shows(listed(home, 'Renamed in the tunnel'))
  await hides(away.getByText('Waiting to be sent'))
  await shows(away.getByRole('complementary').getByText('Live on all devices'))
})

test('a message whose conversation was deleted meanwhile is not lost: it can bring it back', async () => {
  const alice = await signUp(shared.node, 'alice')
  await using wire = await Wire.to({ port: Number(new URL(shared.node.url).port) })
  const away = await windows.open(`http://${wire.address}`, '/app', { person: alice })
  const id = await begin(away, 'A thread that goes away')
  await replied(away)

  wire.cut()
  await say(away, 'Too late')
  await shows(away.getByText('Waiting to be sent'))
  await alice.ask('deleteConversation', { params: { id } })
  wire.restore()
  await shows(away.getByRole('alertdialog').getByText('Too late'), 15_000)
  await away.getByRole('button', { name: 'Restore and send' }).click()
  await shows(said(away, 'Too late'))
  await replied(away)
  const { messages } = await alice.ask('getConversation', { params: { id } })
  expect(messages.map(({ content }) => content)).toContain('Too late')
})
