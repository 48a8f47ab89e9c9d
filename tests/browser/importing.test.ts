// Bringing conversations in: what would come is shown before anything is written, and a second time brings nothing.
import { BlobWriter, TextReader, ZipWriter } from '@zip.js/zip.js'
import { expect, test } from 'vitest'
import { signUp } from '../harness/person.ts'
import { sharedNodes } from '../harness/shared-node.ts'
import { violations } from './accessibility-violations.ts'
import { sharedBrowser } from './browser-windows.ts'
import { listed, said, shows } from './user-actions.ts'

const shared = sharedNodes()
const windows = sharedBrowser()

const old = [
  {
    id: 'c1',
    title: 'From the old app',
    messages: [{ role: 'user', content: 'Kept in this browser for years' }],
  },
  { id: 'c2', title: 'Another old one', messages: [{ role: 'assistant', content: 'Me too' }] },
]

test('what the old app left in this browser is found, brought over, and removed from the browser', async () => {
  const alice = await signUp(shared.node, 'alice')
  const page = await windows.open(shared.node.url, '/app', { person: alice })
  await page.evaluate(
    (text) => localStorage.setItem('ai-chat-conversations', text),
    JSON.stringify(old),
  )
  await page.goto(`${shared.node.url}/app/settings/data`)
  await shows(page.getByText('2 conversations of the app before'))
  await page.getByRole('button', { name: 'Look what would come' }).first().click()
  await shows(page.getByText('would be created'))
  expect((await alice.ask('listConversations')).items).toEqual([])

  await page.getByRole('button', { name: 'Import now' }).click()
  await shows(page.getByRole('heading', { name: 'Imported' }))
  await listed(page, 'From the old app').click()
  await shows(said(page, 'Kept in this browser for years'))
  await page.goBack()
  await page.getByRole('button', { name: 'Remove from this browser' }).click()
  expect(await page.evaluate(() => localStorage.length)).toBe(0)
})

test('a file of another product is looked through first; what can’t be imported is told item by item', async () => {
  const alice = await signUp(shared.node, 'alice')
  const page = await windows.open(shared.node.url, '/app/settings/data', { person: alice })
  await page.getByLabel('Where it comes from').selectOption('ChatGPT')
  const message = {
    author: { role: 'user' },
    content: { content_type: 'text', parts: ['Hello from there'] },
    create_time: 1,
  }
  const good = {
    id: 'g1',
    title: 'From ChatGPT',
    create_time: 1,
    update_time: 2,
    mapping: { a: { id: 'a', message, parent: null } },
  }
  const file = {
    name: 'conversations.json',
    mimeType: 'application/json',
    buffer: Buffer.from(JSON.stringify([good, { id: 'broken' }])),
  }
  await page.getByLabel('Files').setInputFiles(file)
  const look = page.getByRole('button', { name: 'Look what would come' })
  await look.click()
  await page.getByText('Why one item can’t be imported').click()
  await page.getByRole('button', { name: 'Import now' }).click()
  await shows(page.getByRole('heading', { name: 'Imported' }))
  await shows(listed(page, 'From ChatGPT'))

  await look.click()
  await shows(page.getByText('There is nothing new in it.'))
  const nonsense = { name: 'x.json', mimeType: 'application/json', buffer: Buffer.from('{"half":') }
  await page.getByLabel('Files').setInputFiles(nonsense)
  await look.click()
  await shows(page.getByText('x.json is not JSON, or it is cut off.'))
})

test('a large archive shows how far it is, is stopped between two requests, and goes on from there', async () => {
  const alice = await signUp(shared.node, 'alice')
  const page = await windows.open(shared.node.url, '/app/settings/data', { person: alice })
  const chat = (n: number) => {
    const said = (key: string) => ({ uuid: key, sender: 'human', text: key.padEnd(230_000, 'x') })
    return { uuid: `c${n}`, name: `Chat ${n}`, chat_messages: [said('a'), said('b')] }
  }
  const writer = new ZipWriter(new BlobWriter(), { useWebWorkers: false })
  await writer.add('conversations-001.json', new TextReader(JSON.stringify([chat(3)])))
  await writer.add(
    'conversations-000.json',
    new TextReader(JSON.stringify([chat(1), chat(2), { name: 'Broken' }])),
  )
  const buffer = Buffer.from(await (await writer.close()).arrayBuffer())
  await page.getByLabel('Where it comes from').selectOption('Claude')
  await page
    .getByLabel('Files')
    .setInputFiles({ name: 'export.zip', mimeType: 'application/zip', buffer })
  await page.getByRole('button', { name: 'Look what would come' }).click()
  await shows(page.getByText('3would be created'))

  const second = Promise.withResolvers<void>()
  const isHeld = Promise.withResolvers<void>()
  let asked = 0
  await page.route('**/users/me/import', async (route) => {
    if (++asked === 2) {
      isHeld.resolve()
      await second.promise
    }
    await route.continue()
  })
  await page.getByRole('button', { name: 'Import now' }).click()
  await isHeld.promise
  await shows(page.getByText(/Importing: 1 item, 0\.5 of 1\.4 MB/))
  const bar = page.getByRole('progressbar')
  expect(await bar.evaluate((it: HTMLProgressElement) => it.value > 0 && it.value < it.max)).toBe(
    true,
  )
  expect(await violations(page)).toEqual([])
  await page.getByRole('button', { name: 'Stop' }).focus()
  await page.keyboard.press('Enter')
  await shows(page.getByText('Stopping…'))
  second.resolve()
  await shows(page.getByRole('heading', { name: 'Stopped' }))
  const titles = async () =>
    (await alice.ask('listConversations')).items.map(({ title }) => title).toSorted()
  expect(await titles()).toEqual(['Chat 1', 'Chat 2'])

  await page.getByRole('button', { name: 'Go on' }).click()
  await shows(page.getByRole('heading', { name: 'Imported' }))
  await shows(page.getByText('1created'))
  await shows(page.getByText('2here already'))
  await page.getByText('Why one item can’t be imported').click()
  await shows(page.getByText('BrokenThis is not a conversation of that product'))
  expect(await titles()).toEqual(['Chat 1', 'Chat 2', 'Chat 3'])
})

test('everything is exported as one file', async () => {
  const alice = await signUp(shared.node, 'alice')
  await alice.ask('createConversation', { body: { title: 'Take me along' } })
  const page = await windows.open(shared.node.url, '/app/settings/data', { person: alice })
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('link', { name: 'Export everything' }).click(),
  ])
  const chunks: Buffer[] = []
  for await (const chunk of await download.createReadStream()) chunks.push(chunk as Buffer)
  expect(Buffer.concat(chunks).toString()).toContain('Take me along')
})
