// Exports are cut into items while they come in: whatever the chunks, the pieces are the same, and together they say what the whole says.
import { mkdtempDisposable, open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ExportCutter, joinFragments, type Fragment } from '@lockstep/imports/cutting/export-cutter'
import type { ImportSource } from '@lockstep/protocol/import'
import { openItemReader } from '../../realtime/commands/import/item-reader.ts'
import { createFragmentReader, readImport } from '@lockstep/imports/reading/read-import'
import { parsers } from '@lockstep/imports/sources/parsers'

const sources = Object.keys(parsers) as ImportSource[]
/** Of the reader’s heap, and of items with half a megabyte each. */
const [HEAP_MB, ITEMS] = [32, 100]
const bytes = (text: string) => new TextEncoder().encode(text)

/** @param cuts where the text is cut into chunks, in per mille of its length */
function piecesOf(source: ImportSource, text: string, cuts: readonly number[] = []): Fragment[] {
  const whole = bytes(text)
  const at = cuts.map((cut) => Math.floor((cut * whole.length) / 1000)).sort((a, b) => a - b)
  const cutter = new ExportCutter(source)
  const chunks = [0, ...at].map((from, i) => whole.subarray(from, at[i] ?? whole.length))
  return [...chunks.flatMap((chunk) => cutter.push(chunk)), ...cutter.end()]
}
const parsed = async (pieces: readonly Fragment[]): Promise<unknown> =>
  JSON.parse(await new Blob(joinFragments(pieces)).text()) as unknown
const valuesOf = (pieces: readonly Fragment[]) => Promise.all(pieces.map((piece) => parsed([piece])))

const names = fc.constantFrom(
  'conversations',
  'agent_runs',
  'messages',
  'preferences',
  'id',
  'a"b\\',
  'ünï',
)
const { tree } = fc.letrec((tie) => ({
  tree: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc
      .jsonValue({ maxDepth: 0, stringUnit: 'grapheme' })
      .map((leaf) => (Object.is(leaf, -0) ? 0 : leaf)), // JSON knows no -0
    fc.constantFrom('}', ']', '",', '\\', '[{', '\\"'),
    fc.array(tie('tree'), { maxLength: 3 }),
    fc.dictionary(names, tie('tree'), { maxKeys: 4 }),
  ),
}))
const source = fc.constantFrom(...sources)
const cuts = fc.array(fc.nat({ max: 1000 }), { maxLength: 12 })

describe('an export that is read in chunks', () => {
  test('gives the same items, however it is chunked and indented', async () => {
    await fc.assert(
      fc.asyncProperty(
        source,
        tree,
        cuts,
        fc.constantFrom(0, 1),
        async (source, data, cuts, indent) => {
          const text = JSON.stringify(data, null, indent)
          const values = await valuesOf(piecesOf(source, text))
          expect(await valuesOf(piecesOf(source, text, cuts))).toEqual(values)
        },
      ),
      { numRuns: 300 },
    )
  })

  test('says the same as the whole, put back together', async () => {
    await fc.assert(
      fc.asyncProperty(source, tree, cuts, async (source, data, cuts) => {
        const values = await valuesOf(piecesOf(source, JSON.stringify(data), cuts))
        const lists = source === 'lockstep' ? ['conversations', 'agent_runs'] : ['conversations']
        const isExport = (value: unknown): value is Record<string, unknown> =>
          typeof value === 'object' &&
          value !== null &&
          lists.some((name) => Array.isArray((value as never)[name]))
        const expected = (
          Array.isArray(data) && data.length > 0 ? (data as unknown[]) : [data]
        ).flatMap((one) => {
          if (!isExport(one)) return [Array.isArray(data) && data.length > 0 ? [one] : one]
          const emptied = Object.entries(one).map(([name, value]) => [
            name,
            lists.includes(name) && Array.isArray(value) ? [] : value,
          ])
          const items = Object.entries(one).flatMap(([name, value]) =>
            lists.includes(name) && Array.isArray(value)
              ? value.map((item: unknown) => ({ [name]: [item] }))
              : [],
          )
          return [...items, Object.fromEntries(emptied)]
        })
        expect(values).toEqual(expected)
      }),
      { numRuns: 300 },
    )
  })

  test('joins pieces of one list, and numbers them', async () => {
    const pieces = piecesOf(
      'lockstep',
      '{"conversations": [ {"id":1}, {"id":2},3 ], "preferences": {"conversations":[1]}}',
    )
    expect(await parsed(pieces.slice(0, 3))).toEqual({ conversations: [{ id: 1 }, { id: 2 }, 3] })
    expect(pieces.map(({ open, index }) => [open, index])).toEqual([
      ['{"conversations":[', 0],
      ['{"conversations":[', 1],
      ['{"conversations":[', 2],
      ['', 0],
    ])
    expect(await parsed(pieces.slice(3))).toEqual({
      conversations: [],
      preferences: { conversations: [1] },
    })
    expect(await valuesOf(piecesOf('claude', '\ufeff[1]'))).toEqual([[1]])
  })

  const broken = [
    '',
    ' ',
    '[',
    '[1',
    '[1,]',
    '[,1]',
    '{"conversations":[',
    '{"conversations":[1}',
    '[1]]',
    '[1] 5',
    '{} {}',
    '"x',
    '[{"a":1]}',
    '{"conversations":[1 2]}',
    '{"conversations":[],}',
    'nul',
  ]
  test.each(broken)('is refused when it is %j', async (text) => {
    const read = async () => valuesOf(piecesOf('lockstep', text))
    await expect(read()).rejects.toThrow(/JSON/)
  })
})

test('an item that is too large, or has too many values, is told as such, and the others come', () => {
  const megabyte = (text: string) => bytes(text.repeat(1_000_000 / text.length))
  for (const [count, open, part] of [
    [135, '"', 'x'],
    [6, '[', '0,{},'],
  ] as const) {
    const cutter = new ExportCutter('claude')
    const parts = [
      bytes(`[1,${open}`),
      ...Array<Uint8Array>(count).fill(megabyte(part)),
      bytes(`${open === '"' ? '"' : '0]'},3]`),
    ]
    const pieces = [...parts.flatMap((chunk) => cutter.push(chunk)), ...cutter.end()]
    expect(pieces.map(({ index, isTooLarge, text }) => [index, isTooLarge, text.length])).toEqual([
      [0, false, 1],
      [1, true, 0],
      [2, false, 1],
    ])
    expect(pieces.flatMap((piece) => [...createFragmentReader('claude')(piece)])).toMatchObject([
      { item: 'item 1' },
      { item: 'item 2', reason: expect.stringContaining('too large') as string },
      { item: 'item 3' },
    ])
  }
})

test('a body that is larger than the heap of its reader is read item by item', async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'lockstep-import-'))
  await using file = await open(join(folder.path, 'body'), 'wx+')
  const said = (n: number) => ({ uuid: `m${n}`, sender: 'human', text: `${n}`.padEnd(20_000, 'x') })
  const item = JSON.stringify({
    uuid: 'c',
    chat_messages: Array.from({ length: 25 }, (_, n) => said(n)),
  })
  await file.appendFile('{"data":{"conversations":[')
  for (let n = 0; n < ITEMS; n++) await file.appendFile(`${n === 0 ? '' : ','}${item}`)
  await file.appendFile(']},"source":"claude"}')
  const { size } = await file.stat()
  expect(size).toBeGreaterThan(HEAP_MB * 1_500_000)
  const reading = await openItemReader({ fd: file.fd, size }, { heapMb: HEAP_MB })
  let count = 0
  for (let item = await reading.next(); item; item = await reading.next())
    if (item.kind === 'conversation') count++
  await reading.close()
  expect(count).toBe(ITEMS)
}, 60_000)

describe('an import request', () => {
  const items = (text: string) => {
    const { dry_run, items } = readImport(bytes(text))
    const read = []
    for (let next = items.next(); !next.done; next = items.next()) read.push(next.value)
    return { dry_run, read }
  }

  test('says the same in whatever order its keys come', () => {
    const fields = [
      '"source":"claude"',
      '"dry_run": true',
      `"data":[{"uuid":"a","chat_messages":[]},7]`,
    ] as const
    for (const [a, b, c] of [
      [0, 1, 2],
      [2, 1, 0],
      [1, 2, 0],
      [2, 0, 1],
    ] as const) {
      const { dry_run, read } = items(` {${fields[a]} , ${fields[b]},${fields[c]}} `)
      expect(dry_run).toBe(true)
      expect(read).toMatchObject([{ kind: 'conversation' }, { kind: 'failed', item: 'item 2' }])
    }
  })

  test('with broken JSON anywhere is refused before its first item', () => {
    for (const text of [
      '{"source":"claude","data":[{},{"a":x}]}',
      '{"source":"claude","data":[{}]',
      '{"data":[{}],"source":"claude"}}',
      '{"source":"claude","data":[{}]}]',
    ])
      expect(() => readImport(bytes(text)), text).toThrow(/JSON/)
  })

  test('whose data stops being of its source has failed from there, and keeps what came before', () => {
    const { read } = items(
      '{"source":"lockstep","data":{"conversations":[{"id":1}],"agent_runs":5}}',
    )
    expect(read).toMatchObject([
      { kind: 'failed' },
      { kind: 'failed', item: 'item 1', reason: expect.stringContaining('exports') as string },
    ])
  })
})
