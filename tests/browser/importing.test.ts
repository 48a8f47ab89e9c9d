// Imports of conversations. A dry run shows the outcome before anything is written, and importing
// the same data again creates nothing.
import { BlobWriter, TextReader, ZipWriter } from '@zip.js/zip.js'
import { expect, test } from 'vitest'
import { newId } from '@lockstep/protocol/ids'
import arabic from '../../ui/texts/ar.json' with { type: 'json' }
import { eventually } from '../harness/eventually.ts'
import { signUp } from '../harness/person.ts'
import { sharedNodes } from '../harness/shared-node.ts'
import { violations } from './accessibility-violations.ts'
import { sharedBrowser } from './browser-windows.ts'
import { listedConversation, threadText, waitForVisible } from './user-actions.ts'

const shared = sharedNodes()
const windows = sharedBrowser({ savesData: true })

const oldConversations = [
  {
    id: 'c1',
    title: 'From the old app',
    messages: [{ role: 'user', content: 'Kept in this browser for years' }],
  },
  { id: 'c2', title: 'Another old one', messages: [{ role: 'assistant', content: 'Me too' }] },
]

test('data that the old app left in this browser is found, imported and removed from the browser', async () => {
  const alice = await signUp(shared.node, 'alice')
  const page = await windows.open(shared.node.url, '/app', { person: alice })
  await page.evaluate(
    (text) => localStorage.setItem('ai-chat-conversations', text),
    JSON.stringify(oldConversations),
  )
  await page.goto(`${shared.node.url}/app/settings/data`)
  await waitForVisible(page.getByText('2 chats from an earlier app'))
  await page.getByRole('button', { name: 'Preview import' }).first().click()
  await waitForVisible(page.getByText('will be created'))
  expect((await alice.ask('listConversations')).items).toEqual([])

  await page.getByRole('button', { name: 'Import now' }).click()
  await waitForVisible(page.getByRole('heading', { name: 'Imported' }))
  await listedConversation(page, 'From the old app').click()
  await waitForVisible(threadText(page, 'Kept in this browser for years'))
  await page.goBack()
  await page.getByRole('button', { name: 'Remove from this browser' }).click()
  await expect.poll(() => page.evaluate(() => localStorage.length)).toBe(0)
})

test('a file from another product is checked first, and each item that can’t be imported is listed', async () => {
  const alice = await signUp(shared.node, 'alice')
  const page = await windows.open(shared.node.url, '/app/settings/data', { person: alice })
  await page.getByLabel('Source').selectOption('ChatGPT')
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
  const preview = page.getByRole('button', { name: 'Preview import' })
  await preview.click()
  await page.getByText('Why 1 item can’t be imported').click()
  await page.getByRole('button', { name: 'Import now' }).click()
  await waitForVisible(page.getByRole('heading', { name: 'Imported' }))
  await waitForVisible(listedConversation(page, 'From ChatGPT'))

  await preview.click()
  await waitForVisible(page.getByText('Everything in these files is already here.'))
  const malformed = {
    name: 'x.json',
    mimeType: 'application/json',
    buffer: Buffer.from('{"half":'),
  }
  await page.getByLabel('Files').setInputFiles(malformed)
  await preview.click()
  await waitForVisible(page.getByText('x.json isn’t JSON, or it’s incomplete.'))
})

test('the product is told from the file, whatever was chosen', async () => {
  const alice = await signUp(shared.node, 'alice')
  const page = await windows.open(shared.node.url, '/app/settings/data', { person: alice })
  await page.getByLabel('Source').selectOption('LibreChat')
  const chat = {
    uuid: 'c1',
    name: 'From Claude',
    chat_messages: [{ uuid: 'm1', sender: 'human', text: 'Hello' }],
  }
  const fileOf = (content: unknown) => ({
    name: 'export.json',
    mimeType: 'application/json',
    buffer: Buffer.from(JSON.stringify(content)),
  })
  await page.getByLabel('Files').setInputFiles(fileOf([chat]))
  const preview = page.getByRole('button', { name: 'Preview import' })
  await preview.click()
  await waitForVisible(page.getByText('These files are from Claude'))
  await waitForVisible(page.getByText('1will be created'))

  await page.getByLabel('Files').setInputFiles(fileOf([{ title: 'Who knows' }]))
  await preview.click()
  await waitForVisible(page.getByText('Nothing in these files can be imported.'))
  await expect
    .poll(() => page.getByText('Everything in these files is already here.').count())
    .toBe(0)
})

const jsonFile = (name: string, content: unknown) => ({
  name,
  mimeType: 'application/json',
  buffer: Buffer.from(JSON.stringify(content)),
})

test('an import says what its items lack, and a thread shows thinking, sources and what is missing', async () => {
  const alice = await signUp(shared.node, 'alice')
  const page = await windows.open(shared.node.url, '/app/settings/data', { person: alice })
  const node = (
    id: string,
    parent: string | null,
    role: string,
    content: object,
    more: object = {},
  ) => ({
    id,
    parent,
    children: [],
    message: { id, author: { role }, content, create_time: 1_770_000_000, metadata: more },
  })
  const says = (text: string) => ({ content_type: 'text', parts: [text] })
  const thoughts = {
    content_type: 'thoughts',
    thoughts: [{ summary: 'x', content: 'Knots first.' }],
  }
  const reference = { type: 'webpage', title: 'The knot guide', url: 'https://example.com/knots' }
  const nodes = [
    node('a', null, 'user', { content_type: 'user_editable_context', user_profile: 'Sails.' }),
    node('b', 'a', 'user', says('Which knot?'), { scan: 'x'.repeat(70_000) }),
    node('c', 'b', 'assistant', thoughts),
    node('d', 'c', 'assistant', says('A bowline. \ue200cite\ue202turn0search1\ue201'), {
      content_references: [reference],
    }),
  ]
  const chat = {
    id: 'g1',
    title: 'Knots',
    mapping: Object.fromEntries(nodes.map((each) => [each.id, each])),
    api_key: 'never-stored',
  }
  await page
    .getByLabel('Files')
    .setInputFiles([
      jsonFile('manifest.json', { data_files: [{ export_url: 'https://example.com' }] }),
      jsonFile('conversations.json', [chat]),
    ])
  await page.getByRole('button', { name: 'Preview import' }).click()
  await waitForVisible(page.getByText(/Left out: manifest\.json only lists the files/))
  await page.getByText('What won’t be imported from 1 chat').click()
  await waitForVisible(page.getByText('Knotsscan'))
  await page.getByRole('button', { name: 'Import now' }).click()
  await waitForVisible(page.getByRole('heading', { name: 'Imported' }))
  await waitForVisible(page.getByText('What’s missing from 1 imported chat'))

  await listedConversation(page, 'Knots').click()
  await waitForVisible(threadText(page, 'A bowline.'))
  await expect.poll(() => page.getByText('Knots first.').isVisible()).toBe(false)
  await page.getByText('Thoughts', { exact: true }).click()
  await waitForVisible(page.getByText('Knots first.'))
  await page.getByText('1 source').click()
  const link = page.getByRole('link', { name: 'The knot guide' })
  await expect.poll(() => link.getAttribute('href')).toBe('https://example.com/knots')
  await page.getByText('Some of the original message wasn’t imported').click()
  await waitForVisible(page.getByRole('listitem').filter({ hasText: /^scan$/ }))
  await page.getByText('Some of the original chat wasn’t imported').click()
  await waitForVisible(page.getByRole('listitem').filter({ hasText: 'api_key (secret)' }))
  await expect.poll(() => page.getByText(/Sails|turn0search/).count()).toBe(0)
  expect(JSON.stringify((await alice.rest('GET', '/users/me/export')).body)).not.toContain(
    'never-stored',
  )
  expect(await violations(page)).toEqual([])
})

test('an import says in the language of the page what is wrong with each file and each item', async () => {
  const alice = await signUp(shared.node, 'alice')
  const gone = { id: newId(), title: 'ذهبت', messages: [] }
  const chat = (title: string) => ({ id: newId(), title, messages: [] })
  await alice.ask('createConversation', { body: { id: gone.id, title: gone.title } })
  await alice.ask('deleteConversation', { params: { id: gone.id } })
  await alice.ask('purgeConversation', { params: { id: gone.id } })
  await alice.ask('putPreferences', { body: { language: 'ar' } })
  const page = await windows.open(shared.node.url, '/app/settings/data', {
    person: alice,
    alsoExpected: /422 \(/,
  })
  const preview = page.getByRole('button', { name: arabic.data.previewImport })
  const choose = (...files: ReturnType<typeof jsonFile>[]) =>
    page.locator('input[type=file]').setInputFiles(files)
  const cut = { ...jsonFile('x.json', 0), buffer: Buffer.from('{"half":') }
  const claude = [{ uuid: 'c', name: 'C', chat_messages: [] }]
  const openWebUi = [{ id: 'o', title: 'O', chat: { history: { messages: {} } } }]
  for (const [files, sentence] of [
    [[cut], arabic.importFailures.notJson.replace('{file}', 'x.json')],
    [
      [jsonFile('m.json', { data_files: [{ export_url: 'https://example.com' }] })],
      arabic.importFailures.indexOnly.replace('{file}', 'm.json'),
    ],
    [[jsonFile('a.json', claude), jsonFile('b.json', openWebUi)], 'Claude وOpen WebUI'],
    [[jsonFile('what.json', 'nothing')], arabic.importFailures.wrongSource],
  ] as const) {
    await choose(...files)
    await preview.click()
    const said = page.locator('.panel-row.bad')
    await expect
      .poll(async () => (await said.innerText()).replaceAll(/[\u2068\u2069]/g, ''))
      .toContain(sentence)
  }

  await choose(
    jsonFile('export.json', {
      conversations: [gone, 7, { ...chat('بلا معرّف'), id: 'no' }],
      drafts: [{}],
      agent_runs: [{}],
      plans: [1],
    }),
  )
  await page.getByLabel(arabic.data.source).selectOption('lockstep')
  await preview.click()
  await page.getByText(/لماذا يتعذّر استيراد/).click()
  const { importFailures } = arabic
  await expect
    .poll(async () =>
      (await page.locator('.failed > li').allInnerTexts()).map((text) =>
        text.replaceAll(/[\u2068\u2069]/g, '').split('\n'),
      ),
    )
    .toEqual([
      ['ذهبت', importFailures.purged],
      ['العنصر 2', importFailures.invalidField],
      ['بلا معرّف', importFailures.invalidField],
      [importFailures.draft, importFailures.invalidField],
      [importFailures.run, importFailures.invalidField],
      ['plans', importFailures.unknownToVersion],
    ])
})

test('a large import shows its progress, can be stopped between two requests, and continues from there', async () => {
  const alice = await signUp(shared.node, 'alice')
  const page = await windows.open(shared.node.url, '/app/settings/data', { person: alice })
  const chat = (n: number) => {
    const message = (key: string) => ({
      uuid: key,
      sender: 'human',
      text: key.padEnd(230_000, 'x'),
    })
    return { uuid: `c${n}`, name: `Chat ${n}`, chat_messages: [message('a'), message('b')] }
  }
  const writer = new ZipWriter(new BlobWriter(), { useWebWorkers: false })
  await writer.add('conversations-001.json', new TextReader(JSON.stringify([chat(3)])))
  await writer.add(
    'conversations-000.json',
    new TextReader(JSON.stringify([chat(1), chat(2), { name: 'Broken' }])),
  )
  await writer.add('projects.json', new TextReader('[]'))
  const buffer = Buffer.from(await (await writer.close()).arrayBuffer())
  await page.getByLabel('Source').selectOption('Claude')
  await page
    .getByLabel('Files')
    .setInputFiles({ name: 'export.zip', mimeType: 'application/zip', buffer })
  await page.getByRole('button', { name: 'Preview import' }).click()
  await waitForVisible(page.getByText('3will be created'))
  await waitForVisible(
    page.getByText('Only chats are imported. Left out: projects.json in export.zip.'),
  )

  const releaseSecond = Promise.withResolvers<void>()
  const secondIsHeld = Promise.withResolvers<void>()
  let requests = 0
  await page.route('**/users/me/import', async (route) => {
    if (++requests === 2) {
      secondIsHeld.resolve()
      await releaseSecond.promise
    }
    await route.continue()
  })
  await page.getByRole('button', { name: 'Import now' }).click()
  await secondIsHeld.promise
  await waitForVisible(page.getByText(/Importing: 1 item, 0\.5 of 1\.4 MB/))
  const bar = page.getByRole('progressbar')
  expect(await bar.evaluate((it: HTMLProgressElement) => it.value > 0 && it.value < it.max)).toBe(
    true,
  )
  expect(await violations(page)).toEqual([])
  await page.getByRole('button', { name: 'Stop' }).focus()
  await page.keyboard.press('Enter')
  await waitForVisible(page.getByText('Stopping…'))
  releaseSecond.resolve()
  await waitForVisible(page.getByRole('heading', { name: 'Stopped' }))
  const titles = async () =>
    (await alice.ask('listConversations')).items.map(({ title }) => title).toSorted()
  await expect.poll(() => titles()).toEqual(['Chat 1', 'Chat 2'])

  await page.getByRole('button', { name: 'Continue' }).click()
  await waitForVisible(page.getByRole('heading', { name: 'Imported' }))
  await waitForVisible(page.getByText('1created'))
  await waitForVisible(page.getByText('2already here'))
  await page.getByText('Why 1 item can’t be imported').click()
  await waitForVisible(page.getByText('BrokenThis isn’t a chat of that product.'))
  await expect.poll(() => titles()).toEqual(['Chat 1', 'Chat 2', 'Chat 3'])
})

test('the export is one file that contains everything', async () => {
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

test('an import that waits for those of others says for how many, and then goes on', async () => {
  const conversations = Array.from({ length: 3_000 }, (_, n) => ({
    id: newId(),
    title: `Chat ${n}`,
  }))
  const theirs = { source: 'lockstep', data: { conversations }, dry_run: true }
  const others = await Promise.all(Array.from({ length: 5 }, () => signUp(shared.node, 'other')))
  const alice = await signUp(shared.node, 'alice')
  const page = await windows.open(shared.node.url, '/app/settings/data', { person: alice })
  await page.getByLabel('Files').setInputFiles({
    name: 'export.json',
    mimeType: 'application/json',
    buffer: Buffer.from(JSON.stringify({ conversations: [{ id: newId(), title: 'Mine' }] })),
  })
  await page.getByLabel('Source').selectOption('Lockstep')
  const leave = new AbortController()
  const running = others.map(({ cookie }) =>
    fetch(`${shared.node.url}/users/me/import`, {
      method: 'POST',
      headers: { cookie, 'content-type': 'application/json' },
      body: JSON.stringify(theirs),
      signal: leave.signal,
    }).catch(() => undefined),
  )
  await eventually(async () => (await others.at(-1)!.ask('getImport')).position !== null)
  await page.getByRole('button', { name: 'Preview import' }).click()
  await waitForVisible(
    page.getByText(/^Waiting for \d other imports? to finish$|^Waiting: your import is next$/),
    20_000,
  )
  leave.abort()
  await Promise.all(running)
  await waitForVisible(page.getByText('will be created'), 20_000)
})
