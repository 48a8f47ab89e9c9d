// Bodies of imports: a small one stays in memory, a large one goes to an unlinked file, and nothing
// of either remains.
import { fstatSync } from 'node:fs'
import { request } from 'node:http'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { limits } from '@lockstep/protocol/limits'
import { chunksOf, sizeOf } from '../../realtime/commands/import/import-body.ts'
import { sizeLimit, spoolBody } from '../../realtime/http/spooled-body.ts'
import { json, serveHttp } from './http-fixture.ts'

const usual = process.env.TMPDIR
let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lockstep-spool-'))
  process.env.TMPDIR = folder
})
afterAll(async () => {
  if (usual === undefined) delete process.env.TMPDIR
  else process.env.TMPDIR = usual
  await rm(folder, { recursive: true })
})

const LIMIT = 5_000_000
const limit = sizeLimit(LIMIT)
/** Chunks of 100 kB that contain their own position. */
const chunks = (count: number) => Array.from({ length: count }, (_, n) => Buffer.alloc(100_000, n))

test.each([0, 3, 40])(
  'a body of %i chunks is read as it came, and no directory names it',
  async (count) => {
    const whole = Buffer.concat(chunks(count))
    const { body, close } = await spoolBody(Readable.from(chunks(count)), whole.length, limit)
    expect(await readdir(folder)).toEqual([])
    if ('fd' in body) expect(fstatSync(body.fd)).toMatchObject({ nlink: 0, size: whole.length })
    expect('fd' in body).toBe(count > 10)
    expect(sizeOf(body)).toBe(whole.length)
    expect(Buffer.concat([...chunksOf(body)]).equals(whole)).toBe(true)
    expect(
      Buffer.concat([...chunksOf(body, 150_000, 290_000)]).equals(whole.subarray(150_000, 290_000)),
    ).toBe(true)
    await close()
    if ('fd' in body) expect(() => fstatSync(body.fd)).toThrow(/EBADF/)
  },
)

test('a body that ends early, is too large or can’t be stored is refused, and nothing of it remains', async () => {
  const broken = Readable.from(
    (function* () {
      yield* chunks(20)
      throw new Error('gone')
    })(),
  )
  await expect(spoolBody(broken, NaN, limit)).rejects.toThrow('gone')
  await expect(spoolBody(Readable.from(chunks(20)), 2_000_001, limit)).rejects.toMatchObject({
    extra: { status: 400 },
  })
  for (const length of [LIMIT + 1, NaN])
    await expect(spoolBody(Readable.from(chunks(51)), length, limit)).rejects.toMatchObject({
      code: 'too_large',
    })
  expect(await readdir(folder)).toEqual([])
  process.env.TMPDIR = join(folder, 'not-there')
  await expect(spoolBody(Readable.from(chunks(20)), NaN, limit)).rejects.toMatchObject({
    code: 'unavailable',
  })
  process.env.TMPDIR = folder
})

test('an import above 256 MB is refused before it is sent', async () => {
  await using http = await serveHttp({})
  const headers = { ...json, 'content-length': String(limits.importBytes + 1) }
  const answer = await new Promise<{ status: number; body: Record<string, unknown> }>(
    (resolve, reject) => {
      const sent = request(
        `${http.url}/users/me/import`,
        { method: 'POST', headers },
        (response) => {
          const parts: Buffer[] = []
          response.on('data', (part: Buffer) => parts.push(part))
          response.on('end', () => {
            sent.destroy()
            resolve({
              status: response.statusCode!,
              body: JSON.parse(Buffer.concat(parts).toString()) as Record<string, unknown>,
            })
          })
        },
      )
      sent.on('error', reject).flushHeaders()
    },
  )
  expect(answer).toMatchObject({
    status: 413,
    body: { code: 'too_large', limit_bytes: limits.importBytes },
  })
})
