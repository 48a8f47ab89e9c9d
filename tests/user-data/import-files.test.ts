// Archives as people get them from other products, written by the library that also reads them.
import { BlobReader, BlobWriter, TextReader, ZipWriter } from '@zip.js/zip.js'
import { expect, test } from 'vitest'
import { exportFilesIn } from '@lockstep/imports/cutting/export-files'

const loadZip = () => import('@zip.js/zip.js/lib/zip-core-native.js')
const read = async (file: Blob) =>
  Promise.all(
    (await exportFilesIn(file, 'export.zip', loadZip)).files.map(async ({ name, size, stream }) => {
      const text = await new Response(stream()).text()
      expect(size).toBe(new Blob([text]).size)
      return [name, text]
    }),
  )

async function archive(files: Record<string, string | Blob>, options: object = {}): Promise<Blob> {
  const writer = new ZipWriter(new BlobWriter('application/zip'), {
    useWebWorkers: false,
    ...options,
  })
  for (const [name, content] of Object.entries(files))
    await writer.add(
      name,
      typeof content === 'string' ? new TextReader(content) : new BlobReader(content),
    )
  return writer.close()
}

test('a file that is not an archive is read as it is, whatever its name', async () => {
  expect(await read(new Blob(['[1]']))).toEqual([['export.zip', '[1]']])
  expect(await read(new Blob([]))).toEqual([['export.zip', '']])
})

test.each([
  ['deflated', {}],
  ['stored', { level: 0 }],
  ['ZIP64', { zip64: true }],
  ['with sizes after the data', { dataDescriptor: true }],
])(
  'the files with conversations in an archive (%s) come in the order of their numbers',
  async (_, options) => {
    const rest = {
      'chat.html': '<p>',
      'user.json': '{}',
      'shared_conversations.json': '[0]',
      'a/conversations.json.txt': 'x',
    }
    const several = {
      'conversations-010.json': '[10]',
      'conversations-9.json': '[9]',
      'conversations-000.json': '["Ü"]',
    }
    expect(await read(await archive({ ...rest, ...several }, options))).toEqual([
      ['conversations-000.json in export.zip', '["Ü"]'],
      ['conversations-9.json in export.zip', '[9]'],
      ['conversations-010.json in export.zip', '[10]'],
    ])
    const one = await archive(
      { ...rest, 'Export of me/conversations.json': `[${'1,'.repeat(300_000)}1]` },
      options,
    )
    expect((await read(one)).map(([name, text]) => [name, text!.length])).toEqual([
      ['Export of me/conversations.json in export.zip', 600_003],
    ])
  },
)

test('an archive that is cut off, damaged or without conversations is refused by its name', async () => {
  const whole = await archive({
    'conversations.json': JSON.stringify(Array.from({ length: 5000 }, (_, n) => n * n)),
  })
  await expect(read(whole.slice(0, whole.size - 30))).rejects.toThrow(
    'export.zip is not a complete ZIP archive',
  )
  await expect(read(await archive({ 'x.json': '[]' }))).rejects.toThrow(
    'export.zip contains no conversations',
  )
  const damaged = new Uint8Array(await whole.arrayBuffer())
  damaged.fill(0x55, 2000, 2050)
  await expect(read(new Blob([damaged]))).rejects.toThrow()
})

test('an archive within an archive is opened, as the privacy portal of ChatGPT needs it', async () => {
  const inner = await archive({ 'conversations-000.json': '[0]', 'user.json': '{}' })
  const portal = {
    'report.html': '<p>',
    'User Profile/profile.json': '{}',
    'User Online Activity/Conversations_1-chatgpt-0001.zip': inner,
    'User Online Activity/Files_1-files-0001.zip': await archive({ 'conversations.json': '[9]' }),
  }
  const name = 'conversations-000.json in User Online Activity/Conversations_1-chatgpt-0001.zip'
  expect(await read(await archive(portal))).toEqual([[`${name} in export.zip`, '[0]']])
  const deeper = await archive({ 'a/data.zip': await archive({ 'batch.zip': inner }) })
  expect((await read(deeper)).map(([, text]) => text)).toEqual(['[0]'])
  const cut = await archive({ 'x/conversations.zip': inner.slice(0, inner.size - 30) })
  await expect(read(cut)).rejects.toThrow(
    'x/conversations.zip in export.zip is not a complete ZIP archive',
  )
})

test('what an archive holds beside conversations is named, also in archives within it', async () => {
  const leftOutOf = async (files: Record<string, string | Blob>) =>
    (await exportFilesIn(await archive(files), 'export.zip', loadZip)).leftOut
  const rest = { 'projects.json': '[]', 'pictures/a.png': 'x', '__MACOSX/._a.png': 'x' }
  expect(await leftOutOf({ 'conversations.json': '[1]', ...rest })).toEqual([
    'projects.json in export.zip',
    'pictures/a.png in export.zip',
  ])
  const inner = await archive({ 'conversations.json': '[1]', 'memories.json': '[]' })
  expect(await leftOutOf({ 'conversations.zip': inner, 'files.zip': inner })).toEqual([
    'memories.json in conversations.zip in export.zip',
    'files.zip in export.zip',
  ])
  expect(await leftOutOf({ 'a.json': chat, 'b.json': '{"a":1}' })).toEqual(['b.json in export.zip'])
})

const chat = JSON.stringify([{ id: 'c', title: 'A', chat: { history: { messages: {} } } }])
const uiMessages = [{ id: 'm', from: 'user', content: 'Hi' }]
test.each([
  [
    'one file for each chat',
    { 'chats/b.json': chat, 'chats/a.json': chat, 'x.json': '{"a":1}' },
    2,
  ],
  ['a file with another name', { 'chat-export-1770000000.json': chat, '__MACOSX/c.json': chat }, 1],
  [
    'the trace of a chat',
    { 'tea.json': JSON.stringify({ format: 't', conversation: { messages: uiMessages } }) },
    1,
  ],
])(
  'an archive without conversations.json is read by what is in its files: %s',
  async (_, files, count) => {
    expect(await read(await archive(files))).toHaveLength(count)
  },
)

test('the index of an export is named for what it is, in an archive or not', async () => {
  const index = JSON.stringify({
    data_files: [{ filename: 'conversations-000.zip', export_url: 'https://example.com/x' }],
  })
  for (const file of [new Blob([index]), await archive({ 'manifest.json': index })]) {
    const reading = read(file)
    await expect(reading).rejects.toMatchObject({ problem: 'index_only', isEmpty: true })
    await expect(reading).rejects.toThrow(/only lists the files of the export/)
  }
})
