// A node with the embedded database on a disk of its own, which gets full.
import { execFile } from 'node:child_process'
import { appendFile, mkdtemp, rm, statfs } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { eventually } from '../harness/eventually.ts'
import { spawnNode } from '../harness/node.ts'
import { signUp, type Person } from '../harness/person.ts'

const run = promisify(execFile)
/** With less than 8 MB of free space, the database accepts nothing new. */
const LAST_BYTES = 6 * 1024 * 1024

/** A file system of 48 MB, in memory. Mounting it needs root. */
async function smallDisk(): Promise<AsyncDisposable & { path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'lockstep-small-disk-'))
  await run('mount', ['-t', 'tmpfs', '-o', 'size=48m', 'tmpfs', path])
  const dispose = async () => {
    await run('umount', ['-l', path])
    await rm(path, { recursive: true, force: true })
  }
  return { path, [Symbol.asyncDispose]: dispose }
}

const create = (person: Person) =>
  person.rest('POST', '/conversations', {
    messages: [{ role: 'user', content: 'x'.repeat(100_000) }],
  })

async function listedIds(person: Person): Promise<string[]> {
  const { items } = await person.ask('listConversations', { query: { limit: 200 } })
  return items.map(({ id }) => id)
}

/** On a full disk: reading goes on, and writing is refused with a sentence. */
async function expectReadsOnly(person: Person, id: string): Promise<void> {
  expect(await listedIds(person)).toContain(id)
  const { status } = await person.rest('GET', `/conversations/${id}`)
  expect(status).toBe(200)
  const refused = await create(person)
  expect(refused.status).toBe(503)
  expect(refused.body).toMatchObject({
    code: 'unavailable',
    detail: expect.stringContaining('disk is full'),
  })
  expect((await person.rest('GET', '/readyz')).status).toBe(200)
}

test('on a full disk reads go on and writes are refused, also after a restart, and with room everything goes on by itself', async () => {
  await using disk = await smallDisk()
  const settings = { MONGODB_URL: undefined, DATA_DIR: disk.path }
  const filler = join(disk.path, 'filler')
  /**
   * Fills the disk except for `leaving` bytes. The last megabytes are taken while no command runs:
   * between a commit's look at the free space and its write, nobody can keep the space for it.
   */
  const fill = async (leaving: number) => {
    const { bavail, bsize } = await statfs(disk.path)
    const taken = Buffer.alloc(Math.max(0, bavail * bsize - leaving))
    await appendFile(filler, taken).catch(() => undefined)
  }
  const acknowledged: string[] = []
  let alice: Person
  {
    await using node = await spawnNode({ url: '' }, settings)
    alice = await signUp(node, 'alice')
    const keepWriting = async () => {
      for (;;) {
        const reply = await create(alice)
        if (reply.status !== 201) return
        acknowledged.push(String(reply.body.id))
      }
    }
    // Others fill the disk while this user writes.
    const others = create(alice).then(() => fill(LAST_BYTES))
    await Promise.all([keepWriting(), keepWriting(), others])
    await fill(0)
    await expectReadsOnly(alice, acknowledged[0]!)
    await rm(filler)
    expect((await create(alice)).status).toBe(201)
    await fill(0)
    await expectReadsOnly(alice, acknowledged[0]!)
    await node.stop()
    // takes the space that the node's last checkpoint gave back
    await fill(0)
  }
  await using again = await spawnNode({ url: '' }, settings)
  const returned = alice.at(again)
  await expectReadsOnly(returned, acknowledged[0]!)
  await rm(filler)
  await eventually(async () => (await create(returned)).status === 201, {
    within: 10_000,
    what: 'writes go on',
  })
  expect(await listedIds(returned)).toEqual(expect.arrayContaining(acknowledged))
})

test('a database that fails in another way ends the process with code 1, and everything acknowledged is there after a restart', async () => {
  await using disk = await smallDisk()
  const settings = { MONGODB_URL: undefined, DATA_DIR: disk.path }
  const acknowledged: string[] = []
  await using node = await spawnNode({ url: '' }, settings)
  const alice = await signUp(node, 'alice')
  acknowledged.push(String((await create(alice)).body.id))
  // From here on the process may not make any file longer.
  await run('prlimit', [`--pid=${node.process.pid}`, '--fsize=4096'])
  while (node.process.alive) {
    const reply = await create(alice).catch(() => undefined)
    if (reply?.status === 201) acknowledged.push(String(reply.body.id))
  }
  expect(await node.process.exited).toMatchObject({ code: 1 })

  await using again = await spawnNode({ url: '' }, settings)
  expect(await listedIds(alice.at(again))).toEqual(expect.arrayContaining(acknowledged))
})
