import { rmSync, statSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ConfigError } from '../../realtime/config/config-error.ts'
import { readConfig } from '../../realtime/config/config.ts'
import { freshDatabase } from '../harness/database.ts'
import { spawnStartingNode } from '../harness/node.ts'

let DATA_DIR: string
beforeEach(async () => {
  DATA_DIR = await mkdtemp(join(tmpdir(), 'lockstep-data-dir-'))
})
afterEach(() => rm(DATA_DIR, { recursive: true, force: true }))

const secretPath = () => join(DATA_DIR, 'session-secret')
const SESSION_SECRET = 'thirty-two characters or more yes'

test('the keys are in a folder of their own, apart from the data that they seal', () => {
  const KEYS_DIR = `${DATA_DIR}-keys`
  try {
    expect(readConfig({ DATA_DIR, KEYS_DIR }).keysDir).toBe(KEYS_DIR)
    expect(statSync(KEYS_DIR).mode & 0o777).toBe(0o700)
    for (const near of [DATA_DIR, join(DATA_DIR, 'keys'), dirname(DATA_DIR)])
      expect(() => readConfig({ DATA_DIR, KEYS_DIR: near })).toThrow(
        /KEYS_DIR: .* apart from DATA_DIR/,
      )
    expect(readConfig({ DATA_DIR }).keysDir).toBeUndefined()
  } finally {
    rmSync(KEYS_DIR, { recursive: true, force: true })
  }
})

describe('the secret in DATA_DIR', () => {
  test.each([
    ['an empty one', ''],
    ['a blank one', ' '.repeat(64)],
    ['only line ends', '\n'.repeat(40)],
    ['one that is cut off', 'a1b2c3'],
    ['one that is too short and filled up with spaces', `${'a1b2'.repeat(7)}${' '.repeat(40)}`],
  ])('is refused at start, and its file is named: %s', async (_what, secret) => {
    await writeFile(secretPath(), secret)
    const start = () => readConfig({ DATA_DIR })
    expect(start).toThrow(ConfigError)
    expect(start).toThrow(secretPath())
    expect(await readFile(secretPath(), 'utf8')).toBe(secret)
  })

  test('is refused if it can’t be read', async () => {
    await mkdir(secretPath())
    expect(() => readConfig({ DATA_DIR })).toThrow(/SESSION_SECRET: .*can't be read/)
  })

  test('doesn’t matter if SESSION_SECRET is set', async () => {
    await writeFile(secretPath(), '')
    expect(readConfig({ DATA_DIR, SESSION_SECRET }).sessionSecrets).toEqual([SESSION_SECRET])
  })

  test('may end with a line break', async () => {
    await writeFile(secretPath(), `${SESSION_SECRET}\n`)
    expect(readConfig({ DATA_DIR }).sessionSecrets[0]).toContain(SESSION_SECRET)
  })
})

describe('a DATA_DIR that can’t be written', () => {
  test.each([
    ['with a secret of its own', {}],
    ['with SESSION_SECRET', { SESSION_SECRET }],
  ])('is named at start, %s', async (_what, environment) => {
    const file = join(DATA_DIR, 'file')
    await writeFile(file, '')
    const dataDir = join(file, 'data')
    expect(() => readConfig({ DATA_DIR: dataDir, ...environment })).toThrow(
      `DATA_DIR: ${dataDir} cannot be written`,
    )
  })

  test('doesn’t matter if nothing is kept there', () => {
    const MONGODB_URL = 'mongodb://127.0.0.1:1'
    const config = readConfig({ DATA_DIR: '/dev/null/lockstep', SESSION_SECRET, MONGODB_URL })
    expect(config.dataDir).toBe('/dev/null/lockstep')
  })
})

describe('a server that can’t start', () => {
  /** What a node with these settings prints before it ends with exit code 1. */
  async function outputOfRefusal(settings: Record<string, string>): Promise<string> {
    await using database = freshDatabase()
    const environment = { SESSION_SECRET: undefined, DATA_DIR, ...settings }
    await using node = await spawnStartingNode(database, environment)
    expect(await node.exited).toMatchObject({ code: 1 })
    return node.output.join('\n')
  }

  test.each([
    ['HOST: no-such-host.invalid doesn’t resolve', { HOST: 'no-such-host.invalid' }],
    ['HOST: 192.0.2.1 is not an address of this machine', { HOST: '192.0.2.1' }],
    ['DATA_DIR: /dev/null/lockstep cannot be written', { DATA_DIR: '/dev/null/lockstep' }],
  ])('says why: %s', async (sentence, settings) => {
    expect(await outputOfRefusal(settings)).toContain(sentence.replace('’', "'"))
  })
})
