// Another user of the same machine: reads nothing that a node keeps, and puts nothing where the
// node would run it.
import { chmod, mkdir, mkdtemp, readdir, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { readConfig } from '../../realtime/config/config.ts'
import { prepareDataDir } from '../../realtime/config/data-dir.ts'
import { isTrusted } from '../../realtime/config/private-files.ts'
import { freshDatabase } from '../harness/database.ts'
import { spawnNode } from '../harness/node.ts'
import { signUp } from '../harness/person.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lockstep-neighbour-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const modeOf = async (...path: string[]) =>
  ((await stat(join(folder, ...path))).mode & 0o777).toString(8)

/** Every file and folder that others may enter, read or write. */
async function open(path: string): Promise<string[]> {
  const names = await readdir(path, { recursive: true })
  const found = []
  for (const name of ['', ...names])
    if ((await stat(join(path, name))).mode & 0o077) found.push(name)
  return found
}

describe('DATA_DIR', () => {
  test('and all that is in it becomes private, even if it existed before; links are not followed', async () => {
    const [data, elsewhere] = [join(folder, 'data'), join(folder, 'elsewhere')]
    await mkdir(join(data, 'db', 'deeper'), { recursive: true })
    await writeFile(elsewhere, 'of somebody else')
    for (const name of ['session-secret', 'db/data.sqlite', 'db/deeper/x'])
      await writeFile(join(data, name), 'x'.repeat(40))
    await symlink(elsewhere, join(data, 'link'))
    for (const path of [data, join(data, 'db'), join(data, 'db/deeper')]) await chmod(path, 0o777)
    for (const path of [elsewhere, join(data, 'session-secret'), join(data, 'db/data.sqlite')])
      await chmod(path, 0o666)
    readConfig({ DATA_DIR: data })
    expect(await modeOf('data')).toBe('700')
    expect(await modeOf('data', 'db', 'deeper')).toBe('700')
    expect(await modeOf('data', 'session-secret')).toBe('600')
    expect(await modeOf('data', 'db', 'data.sqlite')).toBe('600')
    expect(await modeOf('elsewhere')).toBe('666')
  })

  test.each(['/', homedir(), tmpdir(), process.cwd()])(
    'that others need too is refused, and stays as it is: %s',
    async (shared) => {
      const before = (await stat(shared)).mode
      expect(() => prepareDataDir(shared)).toThrow(/^DATA_DIR: .*set a folder of its own/)
      expect((await stat(shared)).mode).toBe(before)
    },
  )

  test('of a node that has run is private, whatever the umask, and nothing is left where others can write', async () => {
    const temporary = join(folder, 'tmp')
    await mkdir(temporary, { mode: 0o777 })
    const data = join(folder, 'data')
    await using database = freshDatabase()
    await using node = await spawnNode(database, {
      MONGODB_URL: undefined,
      DATA_DIR: data,
      TMPDIR: temporary,
      NODE_COMPILE_CACHE: undefined,
      SESSION_SECRET: undefined,
    })
    await signUp(node)
    expect(await open(data)).toEqual([])
    // the folder of the database's socket, for this user alone
    const left = await readdir(temporary)
    expect(left.every((name) => name.startsWith('embedded-mongo-'))).toBe(true)
    await node.stop()
    expect(await open(data)).toEqual([])
    expect(await readdir(temporary)).toEqual([])
  })
})

describe('a folder for compiled code', () => {
  test('is made for this user alone', async () => {
    expect(isTrusted(join(folder, 'a', 'b'))).toBe(true)
    expect(await modeOf('a', 'b')).toBe('700')
  })

  test('that others could only read becomes private', async () => {
    await mkdir(join(folder, 'readable'), { mode: 0o755 })
    expect(isTrusted(join(folder, 'readable'))).toBe(true)
    expect(await modeOf('readable')).toBe('700')
  })

  test('is not used if others could write there, or if it is a link, a file or somebody else’s', async () => {
    await mkdir(join(folder, 'mine'))
    await symlink(join(folder, 'mine'), join(folder, 'link'))
    await writeFile(join(folder, 'file'), '')
    await mkdir(join(folder, 'writable'))
    await chmod(join(folder, 'writable'), 0o777)
    for (const name of ['link', 'file', 'writable', 'file/below'])
      expect(isTrusted(join(folder, name)), name).toBe(false)
    if (process.getuid?.() !== 0) expect(isTrusted('/usr')).toBe(false)
  })
})
