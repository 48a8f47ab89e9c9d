// Imports that take nobody else's time: reading one ends when nobody wants it any more, when its node leaves, and when there is no end of it.
import { mkdtempDisposable, open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { newId } from '@lockstep/protocol/ids'
import { createImport } from '../../realtime/commands/import/import.ts'
import { readImport } from '@lockstep/imports/reading/read-import'
import { openItemReader } from '../../realtime/commands/import/item-reader.ts'
import { createLogger } from '../../realtime/observability/logger.ts'
import { json, serve } from '../rest/served.ts'

const bodyOf = (items: number) =>
  Buffer.from(`{"source":"claude","data":[1${',1'.repeat(items - 1)}]}`)

async function inFile(body: Buffer) {
  const folder = await mkdtempDisposable(join(tmpdir(), 'lockstep-import-'))
  const file = await open(join(folder.path, 'body'), 'wx+')
  await file.appendFile(body)
  const remove = () => file.close().then(() => folder.remove())
  return { body: { fd: file.fd, size: body.length }, [Symbol.asyncDispose]: remove }
}

test('the thread that reads a large one ends when it is stopped, also while it is still checking it', async () => {
  await using file = await inFile(bodyOf(900_000))
  const stop = new AbortController()
  const reading = openItemReader(file.body, { stop: stop.signal })
  setImmediate(() => stop.abort())
  await expect(reading).rejects.toMatchObject({ code: 'unavailable' })
  await expect(openItemReader(file.body, { stop: stop.signal })).rejects.toMatchObject({
    code: 'unavailable',
  })
})

test('the thread that reads a large one ends when it is stopped between two items', async () => {
  await using file = await inFile(
    Buffer.from(
      bodyOf(3)
        .toString()
        .replace('1]', `${' '.repeat(1_000_000)}1]`),
    ),
  )
  const stop = new AbortController()
  const reading = await openItemReader(file.body, { stop: stop.signal })
  expect(await reading.next()).toMatchObject({ kind: 'failed' })
  stop.abort()
  await expect(reading.next()).rejects.toMatchObject({ code: 'unavailable' })
  await reading.close()
})

test('a small one of many items lets others have their turn', async () => {
  const reading = await openItemReader(bodyOf(30_000))
  let turns = 0
  const turn = () => (turns++, (timer = setImmediate(turn)))
  let timer = setImmediate(turn)
  let items = 0
  while (await reading.next()) items++
  clearImmediate(timer)
  expect(items).toBe(30_000)
  expect(turns).toBeGreaterThan(3)
})

test('more items than anybody has are refused before the first one', async () => {
  await using file = await inFile(bodyOf(101))
  expect(() => readImport(file.body, 100)).toThrow(/at most 100 items/)
  expect(readImport(file.body, 101).items.next().value).toMatchObject({ kind: 'failed' })
})

test('one of nothing but items that fail ends, as all their reasons would fill memory', async () => {
  const imports = createImport(
    undefined as never,
    undefined as never,
    undefined as never,
    createLogger('silent'),
  )
  const caller = { user_id: newId(), session_id: newId(), device: 'test' }
  const next = () => Promise.resolve({ kind: 'failed' as const, item: 'item', reason: 'because' })
  await expect(imports.importItems(caller, false, next, { mostFailed: 100 })).rejects.toMatchObject({
    code: 'invalid',
  })
})

test('one that runs when its node stops is told to end, and its sender that it can be repeated', async () => {
  const begun = Promise.withResolvers<void>()
  const imports = createImport(
    undefined as never,
    undefined as never,
    undefined as never,
    createLogger('silent'),
  )
  const http = await serve({
    importMe: (_asked, { request, answer }) => {
      const next = () =>
        new Promise<{ kind: 'failed'; item: string; reason: string }>((resolve) => {
          begun.resolve()
          setTimeout(() => resolve({ kind: 'failed', item: 'item', reason: 'because' }), 5)
        })
      return imports.importItems(request, false, next, { stop: answer.unwanted() })
    },
  })
  const answer = fetch(`${http.url}/users/me/import`, { method: 'POST', headers: json, body: '{}' })
  await begun.promise
  await http[Symbol.asyncDispose]()
  const { status, headers } = await answer
  expect([status, headers.has('retry-after')]).toEqual([503, true])
})
