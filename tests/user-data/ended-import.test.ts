// An import doesn't take other users' time: its reading ends when its client has left, when its
// node stops, and when it exceeds a limit.
import { mkdtempDisposable, open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { newId } from '@lockstep/protocol/ids'
import { createImport } from '../../realtime/commands/import/import.ts'
import { readImport } from '@lockstep/imports/reading/read-import'
import { toByteSource } from '../../realtime/commands/import/import-body.ts'
import { createItemReaders } from '../../realtime/commands/import/item-reader.ts'
import { derivedId } from '../../realtime/log/derived-id.ts'
import { createLogger } from '../../realtime/observability/logger.ts'
import { json, serveHttp } from '../rest/http-fixture.ts'

const openItemReader = createItemReaders()
const bodyOf = (items: number) =>
  Buffer.from(`{"source":"claude","data":[1${',1'.repeat(items - 1)}]}`)

async function inFile(body: Buffer) {
  const folder = await mkdtempDisposable(join(tmpdir(), 'lockstep-import-'))
  const file = await open(join(folder.path, 'body'), 'wx+')
  await file.appendFile(body)
  const remove = () => file.close().then(() => folder.remove())
  return { body: { fd: file.fd, size: body.length }, [Symbol.asyncDispose]: remove }
}

test('the thread that reads a large import ends when the import is stopped, even while it checks the JSON', async () => {
  await using file = await inFile(bodyOf(900_000))
  const stop = new AbortController()
  const reading = openItemReader(file.body, { stop: stop.signal })
  setImmediate(() => stop.abort())
  await expect(reading).rejects.toMatchObject({ code: 'unavailable' })
  await expect(openItemReader(file.body, { stop: stop.signal })).rejects.toMatchObject({
    code: 'unavailable',
  })
})

test('the thread that reads a large import ends when the import is stopped between two items', async () => {
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

test('an import with too many items is refused before its first item', async () => {
  await using file = await inFile(bodyOf(101))
  expect(() => readImport(toByteSource(file.body), derivedId, 100)).toThrow(/at most 100 items/)
  expect(readImport(toByteSource(file.body), derivedId, 101).items.next().value).toMatchObject({
    kind: 'failed',
  })
})

const failed = {
  kind: 'failed' as const,
  item: 'item',
  reason: 'because',
  code: 'unreadable' as const,
}

test('an import with too many failed items ends, before their reasons fill the memory', async () => {
  const imports = createImport({
    database: undefined as never,
    log: undefined as never,
    preferences: undefined as never,
    drafts: undefined as never,
    logger: createLogger('silent'),
    quota: undefined as never,
  })
  const caller = { user_id: newId(), session_id: newId(), device: 'test' }
  const next = () => Promise.resolve(failed)
  await expect(imports.importItems(caller, false, next, { maxFailed: 100 })).rejects.toMatchObject({
    code: 'invalid',
  })
})

test('an import that runs when its node stops ends, and its client is told to repeat it', async () => {
  const begun = Promise.withResolvers<void>()
  const imports = createImport({
    database: undefined as never,
    log: undefined as never,
    preferences: undefined as never,
    drafts: undefined as never,
    logger: createLogger('silent'),
    quota: undefined as never,
  })
  const http = await serveHttp({
    importMe: (_asked, { caller: request, response: answer }) => {
      const next = () =>
        new Promise<typeof failed>((resolve) => {
          begun.resolve()
          setTimeout(() => resolve(failed), 5)
        })
      return imports.importItems(request, false, next, { stop: answer.abandoned() })
    },
  })
  const answer = fetch(`${http.url}/users/me/import`, { method: 'POST', headers: json, body: '{}' })
  await begun.promise
  await http[Symbol.asyncDispose]()
  const { status, headers } = await answer
  expect([status, headers.has('retry-after')]).toEqual([503, true])
})
