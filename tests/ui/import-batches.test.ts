// The page sends an import in many short requests. Every item is sent exactly once, whatever sizes
// the items have.
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { Fault } from '@lockstep/protocol/errors'
import type { ExportFile } from '@lockstep/imports/cutting/export-file'
import { limits } from '@lockstep/protocol/limits'
import type { Asking } from '@lockstep/protocol/rest'
import {
  runImport,
  type ImportRun,
  type ImportProgress,
} from '../../ui/src/lib/import/run-import.ts'

type Body = Asking<'importMe'>['body']
const nothing = { created: 0, updated: 0, skipped: 0, failed: [] }

function part(name: string, text: string): ExportFile {
  const blob = new Blob([text])
  return { name, size: blob.size, stream: () => blob.stream() }
}

/** Runs an import. Returns the bodies of its requests and the progress that it reported. */
async function run(parts: ExportFile[], options: Partial<ImportRun> = {}) {
  const [sent, reported]: [Body[], ImportProgress[]] = [[], []]
  const isWhole = await runImport(parts, {
    ...{ source: 'claude', dry_run: false, stop: new AbortController().signal },
    send: (body) => {
      sent.push(body)
      return Promise.resolve({
        ...nothing,
        created: Array.isArray(body.data) ? body.data.length : 0,
      })
    },
    progress: (now) => reported.push(now),
    sleep: () => Promise.resolve(),
    ...options,
  })
  return { isWhole, sent, reported }
}

test('every item is sent once and in order, in requests within the limits', async () => {
  const sizes = fc.array(fc.constantFrom(1, 10, 200_000, 1_200_000), { maxLength: 8 })
  await fc.assert(
    fc.asyncProperty(sizes, fc.nat({ max: 250 }), async (sizes, small) => {
      const all = [...sizes, ...Array<number>(small).fill(1)].map((size, id) => ({
        id,
        text: 'x'.repeat(size),
      }))
      const parts = [
        part('a', JSON.stringify(all)),
        part('b', JSON.stringify({ conversations: all, more: 1 })),
      ]
      const { isWhole, sent, reported } = await run(parts)
      expect(isWhole).toBe(true)
      const itemsIn = (data: unknown) =>
        Array.isArray(data) ? data : (data as { conversations: unknown[] }).conversations
      const ids = sent.flatMap(({ data }) =>
        itemsIn(data).map((item) => (item as { id: number }).id),
      )
      expect(ids).toEqual([...all, ...all].map(({ id }) => id))
      expect(sent.at(-1)!.data).toEqual({ conversations: [], more: 1 })
      for (const { data } of sent) {
        const count = itemsIn(data).length
        expect(count).toBeLessThanOrEqual(100)
        if (count > 1) expect(JSON.stringify(data).length).toBeLessThan(limits.bodyBytes / 2)
      }
      expect(reported.map(({ bytes }) => bytes)).toEqual(
        reported.map(({ bytes }) => bytes).toSorted((a, b) => a - b),
      )
      expect(reported.at(-1)!.bytes).toBe(parts[0]!.size + parts[1]!.size)
    }),
    { numRuns: 12 },
  )
})

test('failed items are numbered by their position in the whole import, and the results add up', async () => {
  const items = part('a', `[${Array.from({ length: 150 }, (_, n) => n).join()}]`)
  const failed = [
    { item: 'item 3', number: 3, reason: 'r' },
    { item: 'Named', reason: 'r' },
  ]
  const { reported } = await run([items], {
    send: () => Promise.resolve({ created: 1, updated: 2, skipped: 3, failed }),
  })
  expect(reported.at(-1)).toMatchObject({
    items: 16,
    result: { created: 2, updated: 4, skipped: 6 },
  })
  expect(reported.at(-1)!.result.failed.map(({ item, number }) => [item, number])).toEqual([
    ['item 3', 3],
    ['Named', undefined],
    ['item 103', 103],
    ['Named', undefined],
  ])
})

test('only a retryable error repeats a request; another error and a stop both end the import', async () => {
  let requests = 0
  const send = () =>
    ++requests < 3 ? Promise.reject(new Fault('unavailable')) : Promise.resolve(nothing)
  expect(await run([part('a', '[1]')], { send })).toMatchObject({ isWhole: true })
  await expect(
    run([part('a', '[1]')], { send: () => Promise.reject(new Fault('invalid')) }),
  ).rejects.toThrow()
  await expect(
    run([part('a', '[1]')], { send: () => Promise.reject(new Fault('unavailable')) }),
  ).rejects.toThrow()
  const stop = new AbortController()
  const big = part('a', JSON.stringify([1, 2, 3].map((n) => `${n}`.padEnd(600_000))))
  const { isWhole, sent } = await run([big], { stop: stop.signal, progress: () => stop.abort() })
  expect([isWhole, sent.length]).toEqual([false, 1])
})

test('the error for a part that is not JSON names the part', async () => {
  for (const text of ['', '[1', '{"a":nul}', '[{]']) {
    const read = run([part('good', '[1]'), part('x.json', text)])
    await expect(read, text).rejects.toThrow('x.json is not JSON, or it is cut off')
  }
  const broken = {
    ...part('x.json', '[]'),
    stream: () => new ReadableStream({ pull: () => Promise.reject(new Error('damaged')) }),
  }
  await expect(run([broken])).rejects.toThrow('x.json could not be read')
})
