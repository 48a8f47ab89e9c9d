// The database as a package: a program that doesn't use it doesn't load it, and it says which
// Node.js it needs.
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { checkNodeVersion } from '../../realtime/embedded/start.ts'
import { freshDatabase } from '../harness/database.ts'
import { startProcess, type TestProcess } from '../harness/processes.ts'

const sourceFile = (path: string): string => new URL(`../../${path}`, import.meta.url).pathname

/** Starts a program from its sources in which each import of a module that `matches` fails. */
function startWithout(
  matches: RegExp,
  args: readonly string[],
  env: Record<string, string | undefined> = {},
): Promise<TestProcess> {
  const hooks = `
    import { registerHooks } from 'node:module'
    registerHooks({
      resolve(specifier, context, next) {
        const resolved = next(specifier, context)
        if (${String(matches)}.test(resolved.url)) throw new Error('imports ' + resolved.url)
        return resolved
      },
    })`
  const preload = `data:text/javascript,${encodeURIComponent(hooks)}`
  return startProcess({ command: process.execPath, args: ['--import', preload, ...args], env })
}

describe('MONGODB_URL', () => {
  const settings = (url: string | undefined) => ({
    NODE_ENV: 'production',
    HOST: '127.0.0.1',
    PORT: '0',
    MONGODB_URL: url,
    DATA_DIR: join(tmpdir(), 'lockstep-test-nothing-is-written-here'),
    SESSION_SECRET: 'a secret that only the tests of Lockstep know',
    PUBLIC_ORIGIN: 'http://localhost',
    REDIS_URL: undefined,
  })
  const embedded = /\/realtime\/embedded\//

  test('lets a node start without loading the embedded database', async () => {
    await using database = freshDatabase()
    const args = [sourceFile('realtime/main.ts')]
    await using node = await startWithout(embedded, args, settings(database.url))
    await node.line(/ is at http:/, { within: 90_000 })
    node.signal('SIGTERM')
    expect(await node.exited).toEqual({ code: 0, signal: null })
  })

  test('lets the operators’ command run without loading the embedded database', async () => {
    await using database = freshDatabase()
    const args = [sourceFile('realtime/cli.ts'), 'audit', 'all']
    await using command = await startWithout(embedded, args, settings(database.url))
    expect(await command.exited).toEqual({ code: 0, signal: null })
  })

  test('a node without MONGODB_URL does load it, so this check would notice', async () => {
    const args = [sourceFile('realtime/main.ts')]
    await using node = await startWithout(embedded, args, settings(undefined))
    await node.line(/imports .*\/realtime\/embedded\/start\.ts/, { within: 90_000 })
    expect(await node.exited).toEqual({ code: 1, signal: null })
  })
})

describe('the version of Node.js', () => {
  test.each(['18.20.0', '20.20.2', '22.17.1'])(
    '%s is too old, and the error says which version is needed',
    (version) => {
      expect(() => checkNodeVersion(version)).toThrow(
        `@lockstep/embedded-mongo needs Node.js 22.18 or later, because it stores its data with node:sqlite. This is Node.js ${version}.`,
      )
    },
  )

  test.each(['22.18.0', '24.0.0', process.versions.node])('%s is new enough', (version) => {
    expect(() => checkNodeVersion(version)).not.toThrow()
  })

  test.each(['start.ts', 'main.ts'])('is checked before %s loads node:sqlite', async (file) => {
    const program = `import('${sourceFile(`realtime/embedded/${file}`)}')`
    await using loading = await startWithout(/^node:sqlite$/, ['--eval', program])
    const { code } = await loading.exited
    // Without a data directory the command ends with its own sentence, after it has been loaded.
    expect([code, loading.output]).toEqual(
      file === 'start.ts' ? [0, []] : [1, ['Name the directory of the data: --data-dir DIR']],
    )
  })
})
