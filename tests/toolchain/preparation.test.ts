import { spawnSync } from 'node:child_process'
import {
  chmod,
  cp,
  mkdir,
  mkdtempDisposable,
  rm,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import {
  contentHash,
  installedMatches,
  missingCommands,
  runsTypeScript,
} from '../../tools/freshness.mjs'
import manifest from '../../package.json' with { type: 'json' }

const root = path.resolve(import.meta.dirname, '../..')
const scratch = () => mkdtempDisposable(path.join(tmpdir(), 'lockstep-preparation-'))

describe('installed dependencies', () => {
  const lock = {
    packages: {
      '': { version: '0.1.0' },
      'node_modules/zod': { version: '4.0.0' },
      'node_modules/vite': { version: '8.0.0', dev: true },
      'node_modules/fsevents': { version: '2.0.0', dev: true, optional: true },
    },
  }
  const zod = { 'node_modules/zod': { version: '4.0.0' } }
  const vite = { 'node_modules/vite': { version: '8.0.0' } }

  it('match the lock when all are installed in its versions, except those of other platforms', () => {
    expect(installedMatches(lock, { packages: { ...zod, ...vite } }, { withoutDev: false })).toBe(
      true,
    )
  })

  it('do not match when one is missing or has another version', () => {
    expect(installedMatches(lock, { packages: vite }, { withoutDev: false })).toBe(false)
    const older = { 'node_modules/zod': { version: '3.9.0' } }
    expect(installedMatches(lock, { packages: { ...older, ...vite } }, { withoutDev: false })).toBe(
      false,
    )
  })

  it('may lack the development packages in a production install only', () => {
    expect(installedMatches(lock, { packages: zod }, { withoutDev: true })).toBe(true)
    expect(installedMatches(lock, { packages: zod }, { withoutDev: false })).toBe(false)
    expect(installedMatches(lock, { packages: vite }, { withoutDev: true })).toBe(false)
  })
})

describe('the hash of sources', () => {
  it('changes with content, names and new files, but not with file times or excluded files', async () => {
    await using folder = await scratch()
    const file = (name: string) => path.join(folder.path, name)
    const hash = () => contentHash(folder.path, ['ui', 'lock.json', 'not-there'], ['ui/dist'])
    await mkdir(file('ui/dist'), { recursive: true })
    await writeFile(file('ui/a.ts'), 'a')
    await writeFile(file('lock.json'), '{}')
    const first = hash()

    await utimes(file('ui/a.ts'), 1, 1)
    await writeFile(file('ui/dist/a.js'), 'built')
    expect(hash()).toBe(first)

    await writeFile(file('lock.json'), '{ }')
    const second = hash()
    await writeFile(file('ui/b.ts'), '')
    const third = hash()
    await rm(file('ui/b.ts'))
    await rm(file('ui/a.ts'))
    await writeFile(file('ui/c.ts'), 'a')
    expect(new Set([first, second, third, hash()]).size).toBe(4)
  })
})

describe('programs of the system', () => {
  it('are missing when no folder of the search path contains an executable of that name', async () => {
    await using folder = await scratch()
    await writeFile(path.join(folder.path, 'runs'), '')
    await chmod(path.join(folder.path, 'runs'), 0o755)
    await writeFile(path.join(folder.path, 'text'), '')
    const searchPath = `/nonexistent${path.delimiter}${folder.path}`
    expect(missingCommands(['runs', 'text', 'absent'], searchPath)).toEqual(['text', 'absent'])
  })

  async function prepare(...found: string[]) {
    await using folder = await scratch()
    await symlink(process.execPath, path.join(folder.path, 'node'))
    for (const program of found) await symlink('/bin/true', path.join(folder.path, program))
    return spawnSync(process.execPath, [path.join(root, 'tools/prepare.mjs'), 'system'], {
      encoding: 'utf8',
      env: { PATH: folder.path },
    })
  }

  it('are named in one sentence, with the command that installs them, on a system without apt-get', async () => {
    const { status, stderr } = await prepare('redis-server')
    expect(stderr).toMatch(
      /^\[lockstep\] .*chromium-headless-shell, docker-compose.*apt-get install .*\n$/,
    )
    expect(stderr).not.toContain('redis-server')
    expect(status).toBe(1)
  })

  it('do not include a headless Chromium if a full one is installed', async () => {
    expect(await prepare('redis-server', 'docker-compose', 'chromium')).toMatchObject({
      status: 0,
      stderr: '',
    })
  })
})

it.each([
  ['v20.20.2', false],
  ['22.17.9', false],
  ['v22.18.0', true],
  ['v23.5.0', false],
  ['v24.0.0', true],
  ['26.1.0', true],
])('Node %s runs TypeScript as it is: %s', (version, can) => {
  expect(runsTypeScript(version)).toBe(can)
})

describe('the scripts of package.json', () => {
  const scripts: Record<string, string> = manifest.scripts

  it.each(['start', 'dev', 'test', 'check', 'fuzz', 'bench', 'simulate', 'screenshots'])(
    'npm run %s prepares itself',
    (name) => {
      expect(scripts[`pre${name}`]).toMatch(/^node tools\/prepare\.mjs/)
    },
  )

  it('.ci/run only runs npm test, whatever folder it is called from', async () => {
    await using folder = await scratch()
    const repository = path.join(folder.path, 'clone')
    await mkdir(repository)
    await cp(path.join(root, '.ci'), path.join(repository, '.ci'), { recursive: true })
    const fakeNpm = path.join(folder.path, 'npm')
    await writeFile(fakeNpm, '#!/bin/sh\necho "npm $* in $PWD"\nexit 3\n')
    await chmod(fakeNpm, 0o755)
    const run = spawnSync('bash', [path.join(repository, '.ci/run')], {
      cwd: '/',
      encoding: 'utf8',
      env: { PATH: `${folder.path}:${process.env.PATH}`, CI: 'true' },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    expect(run.stdout).toBe(`npm test in ${repository}\n`)
    expect(run.status).toBe(3)
  })
})
