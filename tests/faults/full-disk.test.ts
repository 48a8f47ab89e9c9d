// A node with the embedded database on a disk of its own, which gets full.
import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { spawnNode } from '../harness/node.ts'
import { signUp } from '../harness/person.ts'

const run = promisify(execFile)

/** A file system of 24 MB, in memory. Mounting it needs root. */
async function smallDisk(): Promise<AsyncDisposable & { path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'lockstep-small-disk-'))
  await run('mount', ['-t', 'tmpfs', '-o', 'size=24m', 'tmpfs', path])
  const dispose = async () => {
    await run('umount', ['-l', path])
    await rm(path, { recursive: true, force: true })
  }
  return { path, [Symbol.asyncDispose]: dispose }
}

test('a full disk ends the process with code 1, and everything acknowledged is there after a restart', async () => {
  await using disk = await smallDisk()
  const settings = { MONGODB_URL: undefined, DATA_DIR: disk.path }
  const filler = join(disk.path, 'filler')
  const acknowledged: string[] = []
  await using node = await spawnNode({ url: '' }, settings)
  const alice = await signUp(node, 'alice')
  await writeFile(filler, Buffer.alloc(64 * 1024 * 1024)).catch(() => undefined)
  const content = 'x'.repeat(100_000)
  while (node.process.alive) {
    const body = { messages: [{ role: 'user', content }] }
    const reply = await alice.rest('POST', '/conversations', body).catch(() => undefined)
    if (reply?.status === 201) acknowledged.push(String(reply.body.id))
  }
  expect(await node.process.exited).toMatchObject({ code: 1 })

  await rm(filler)
  await using again = await spawnNode({ url: '' }, settings)
  const { items } = await alice.at(again).ask('listConversations', { query: { limit: 200 } })
  expect(items.map(({ id }) => id)).toEqual(expect.arrayContaining(acknowledged))
  expect((await alice.at(again).rest('POST', '/conversations', {})).status).toBe(201)
})
