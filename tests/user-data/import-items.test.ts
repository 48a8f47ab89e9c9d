// An export is cut into fragments while it arrives. However it is chunked, the fragments are the
// same, and together they hold what the export holds.
import { mkdtempDisposable, open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ExportCutter } from '@lockstep/imports/cutting/export-cutter'
import { joinFragments, type Fragment } from '@lockstep/imports/cutting/fragment'
import { createFragmentReader } from '@lockstep/imports/reading/fragment-reader'
import { readImport } from '@lockstep/imports/reading/read-import'
import { parsers } from '@lockstep/imports/sources/parsers'
import type { ImportSource } from '@lockstep/protocol/import'
import { toByteSource } from '../../realtime/commands/import/import-body.ts'
import { createItemReaders } from '../../realtime/commands/import/item-reader.ts'
import { derivedId } from '../../realtime/log/derived-id.ts'
import { inForm } from '../harness/long-form.ts'

const sources = Object.keys(parsers) as ImportSource[]
const HEAP_MB = 32
/** Items of half a megabyte each. */
const ITEMS = 100
const bytes = (text: string) => new TextEncoder().encode(text)

/** @param cuts where the text is cut into chunks, in per mille of its length */
function fragmentsOf(source: ImportSource, text: string, cuts: readonly number[] = []): Fragment[] {
  const whole = bytes(text)
  const at = cuts.map((cut) => Math.floor((cut * whole.length) / 1000)).sort((a, b) => a - b)
  const cutter = new ExportCutter(source)
  const chunks = [0, ...at].map((from, i) => whole.subarray(from, at[i] ?? whole.length))
  return [...chunks.flatMap((chunk) => cutter.push(chunk)), ...cutter.end()]
}
const parsed = async (fragments: readonly Fragment[]): Promise<unknown> =>
  JSON.parse(await new Blob(joinFragments(fragments)).text()) as unknown
const valuesOf = (fragments: readonly Fragment[]) =>
  Promise.all(fragments.map((fragment) => parsed([fragment])))

const keys = fc.constantFrom(
  'conversations',
  'agent_runs',
  'drafts',
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
    fc.dictionary(keys, tie('tree'), { maxKeys: 4 }),
  ),
}))
const source = fc.constantFrom(...sources)
const cuts = fc.array(fc.nat({ max: 1000 }), { maxLength: 12 })

describe('cutting an export', () => {
  test('gives the same fragments, however the export is chunked and indented', async () => {
    await fc.assert(
      fc.asyncProperty(
        source,
        tree,
        cuts,
        fc.constantFrom(0, 1),
        async (source, data, cuts, indent) => {
          const text = JSON.stringify(data, null, indent)
          const values = await valuesOf(fragmentsOf(source, text))
          expect(await valuesOf(fragmentsOf(source, text, cuts))).toEqual(values)
        },
      ),
      { numRuns: inForm(100, 300) },
    )
  })

  test('gives fragments that together hold what the export holds', async () => {
    await fc.assert(
      fc.asyncProperty(source, tree, cuts, async (source, data, cuts) => {
        const values = await valuesOf(fragmentsOf(source, JSON.stringify(data), cuts))
        const lists =
          source === 'lockstep' ? ['conversations', 'agent_runs', 'drafts'] : ['conversations']
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
      { numRuns: inForm(100, 300) },
    )
  })

  test('numbers the fragments of a list, and they can be joined', async () => {
    const fragments = fragmentsOf(
      'lockstep',
      '{"conversations": [ {"id":1}, {"id":2},3 ], "preferences": {"conversations":[1]}}',
    )
    expect(await parsed(fragments.slice(0, 3))).toEqual({
      conversations: [{ id: 1 }, { id: 2 }, 3],
    })
    expect(fragments.map(({ open, index }) => [open, index])).toEqual([
      ['{"conversations":[', 0],
      ['{"conversations":[', 1],
      ['{"conversations":[', 2],
      ['', 0],
    ])
    expect(await parsed(fragments.slice(3))).toEqual({
      conversations: [],
      preferences: { conversations: [1] },
    })
    expect(await valuesOf(fragmentsOf('claude', '\ufeff[1]'))).toEqual([[1]])
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
  test.each(broken)('is refused if the export is %j', async (text) => {
    const read = async () => valuesOf(fragmentsOf('lockstep', text))
    await expect(read()).rejects.toThrow(/JSON/)
  })
})

test('an item that is too large, or has too many values, is reported, and the others are read', () => {
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
    const fragments = [...parts.flatMap((chunk) => cutter.push(chunk)), ...cutter.end()]
    expect(
      fragments.map(({ index, isTooLarge, text }) => [index, isTooLarge, text.length]),
    ).toEqual([
      [0, false, 1],
      [1, true, 0],
      [2, false, 1],
    ])
    const readFragment = createFragmentReader('claude', derivedId)
    expect(fragments.flatMap((fragment) => [...readFragment(fragment)])).toMatchObject([
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
  const reader = await createItemReaders()({ fd: file.fd, size }, { heapMb: HEAP_MB })
  let count = 0
  for (let item = await reader.next(); item; item = await reader.next())
    if (item.kind === 'conversation') count++
  await reader.close()
  expect(count).toBe(ITEMS)
}, 60_000)

describe('an import request', () => {
  const items = (text: string) => {
    const { dry_run, items } = readImport(toByteSource(bytes(text)), derivedId)
    const read = []
    for (let next = items.next(); !next.done; next = items.next()) read.push(next.value)
    return { dry_run, read }
  }

  test('is read the same way in whatever order its keys come', () => {
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

  test('with malformed JSON anywhere is refused before its first item', () => {
    for (const text of [
      '{"source":"claude","data":[{},{"a":x}]}',
      '{"source":"claude","data":[{}]',
      '{"data":[{}],"source":"claude"}}',
      '{"source":"claude","data":[{}]}]',
    ])
      expect(() => readImport(toByteSource(bytes(text)), derivedId), text).toThrow(/JSON/)
  })

  test('whose data is only partly of its source keeps the items before that, and reports the rest', () => {
    const { read } = items(
      '{"source":"lockstep","data":{"conversations":[{"id":1}],"agent_runs":5}}',
    )
    expect(read).toMatchObject([
      { kind: 'failed' },
      { kind: 'failed', item: 'item 1', reason: expect.stringContaining('exports') as string },
    ])
  })
})
