// The tarballs of `npm run pack`, as another project meets them. All tests use one such project,
// because packing and installing cost more than everything else here.
import { execFile } from 'node:child_process'
import {
  cp,
  mkdir,
  mkdtempDisposable,
  readdir,
  readFile,
  symlink,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { MongoClient } from 'mongodb'
import { compile } from 'svelte/compiler'
import { build } from 'vite'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { newId } from '@lockstep/protocol/ids'
import { apiReport, reportFile } from '../../tools/pack-api-report.ts'
import { freePort } from '../harness/free-port.ts'
import { signUp } from '../harness/person.ts'
import { startProcess } from '../harness/processes.ts'
import { sharedNodes } from '../harness/shared-node.ts'
import { aiSdkProgram } from './ai-sdk-program.ts'
import { devtoolsProgram } from './devtools-program.ts'
import { commandsIn, testDocumentedCommands } from './documented-commands.ts'
import { byEsbuild, byRolldown, firstLoad } from './first-load.ts'
import {
  createForeignProject,
  findOtherNode,
  root,
  type ForeignProject,
} from './foreign-project.ts'
import {
  domModule,
  reactProgram,
  persistedProgram,
  svelteComponents,
  svelteForTheDom,
  svelteProgram,
  vueProgram,
} from './framework-programs.ts'
import { twoDevices } from './two-devices-program.ts'

const run = promisify(execFile)
const otherNode = await findOtherNode()
const shared = sharedNodes()
let project: ForeignProject

beforeAll(async () => {
  project = await createForeignProject(['react', 'react-dom', 'vue', 'svelte', 'happy-dom'])
  await project.write('dom.js', domModule)
}, 240_000)
afterAll(() => project?.[Symbol.asyncDispose]())

const installed = (...names: string[]): string =>
  path.join(project.folder, 'node_modules/@lockstep', ...names)

test('the wheel of the Python client is packed beside them', async () => {
  expect(await readdir(project.folder)).toContain('lockstep_client-0.1.0-py3-none-any.whl')
})
testDocumentedCommands({ project: () => project, url: () => shared.node.url })

describe('@lockstep/client', () => {
  const runTwoDevices = async (node: string, username: string): Promise<string> => {
    const program = await project.write('two-devices.js', twoDevices)
    const args = [program, shared.node.url, username, 'correct horse battery']
    const { stdout } = await run(node, args, { cwd: project.folder, timeout: 60_000 })
    return stdout
  }

  test('keeps two devices of a Node program in lockstep, and the program ends by itself', async () => {
    expect(await runTwoDevices(process.execPath, 'pinned')).toBe('ok\n')
  })

  test.skipIf(otherNode === undefined)('does so on the system’s own Node', async () => {
    expect(await runTwoDevices(otherNode!.path, 'system')).toBe('ok\n')
  })

  test('writes a reply as its README shows', async () => {
    const page = await readFile(installed('client', 'README.md'), 'utf8')
    const [, code = ''] = /## Replies of your own program[\s\S]*?```js\n([\s\S]*?)```/.exec(page)!
    const program = code.replace('http://127.0.0.1:3000', shared.node.url)
    expect(program).not.toBe(code)
    const person = await signUp(shared.node)
    const { id } = await person.ask('createConversation', { body: {} })
    const { token } = await person.ask('createToken', { body: { name: 'Agent' } })
    const { stdout } = await run(
      otherNode?.path ?? process.execPath,
      [await project.write('reply.js', program)],
      {
        cwd: project.folder,
        env: { ...process.env, TOKEN: token, CONVERSATION: id },
        timeout: 60_000,
      },
    )
    expect(stdout).toBe('complete\n')
    const { messages } = await person.ask('getConversation', { params: { id } })
    expect(messages).toMatchObject([
      { content: 'Hello, world!', metadata: { agent: 'greeter', thinking: 'Somebody greets me.' } },
    ])
  })

  test('has stores for Svelte that are kept in a storage', async () => {
    const file = await project.write('persisted.js', persistedProgram)
    expect((await run(process.execPath, [file])).stdout).toBe('dark\n')
  })

  test('has types that a strict NodeNext project accepts without skipping libraries', async () => {
    await project.write(
      'consumer.ts',
      `import { createEngine, Fault, type ConversationView, type Engine } from '@lockstep/client'
      import { cookieJar } from '@lockstep/client/node'
      import type { Message } from '@lockstep/client/protocol/message'
      import { branchOf, reduceConversation } from '@lockstep/client/protocol'
      import { idOf } from '@lockstep/client/foreign-ids'
      import { openStorage, type PersistedStorage } from '@lockstep/persist'
      import { persistedIn, type PersistedStore } from '@lockstep/persist/svelte'
      import { limits } from '@lockstep/protocol/limits'
      import { startEmbedded } from '@lockstep/embedded-mongo'

      const engine: Engine = createEngine({ origin: 'http://127.0.0.1:3000', ...cookieJar() })
      const { user } = await engine.call('login', { body: { username: 'a', password: 'b' } })
      const view: ConversationView | undefined = engine.conversations.get(user.id)
      export const messages: readonly Message[] = view?.messages ?? []
      export const thread: Message[] = branchOf(messages)
      export const id: string = idOf('chat-1')
      export const reduced: { version: number } | undefined = reduceConversation(undefined, {} as never)
      export const kept: Engine = createEngine({ origin: '', path: '/chat', store: new Map() })
      const shape = { toStored: (chats: never[]) => ({ chats, settings: {} }), fromStored: () => [] }
      export const storage: PersistedStorage = await openStorage({ engine, shape })
      export const theme: PersistedStore<string> = persistedIn(storage)('theme', 'light')
      export const bytes: number = limits.rangeMax
      export const isGone = (error: unknown) => error instanceof Fault && error.code === 'not_found'
      export const database: { url: string } = await startEmbedded({ dataDir: 'data' })
      // @ts-expect-error The route has no such parameter.
      await engine.call('login', { body: { name: 'a', password: 'b' } })
      // @ts-expect-error Snapshots are immutable; commands make changes.
      engine.conversations.list('active').items = []`,
    )
    const options = {
      module: 'NodeNext',
      target: 'ES2022',
      lib: ['ES2023'],
      strict: true,
      skipLibCheck: false,
      noEmit: true,
      types: ['node'],
      typeRoots: [path.join(root, 'node_modules/@types')],
    }
    const tsconfig = { compilerOptions: options, files: ['consumer.ts'] }
    await project.write('tsconfig.json', JSON.stringify(tsconfig))
    const tsc = path.join(root, 'node_modules/typescript-7/bin/tsc')
    const checked = await run(process.execPath, [tsc, '-p', '.', '--checkers', '1'], {
      cwd: project.folder,
    }).catch(({ stdout }: { stdout: string }) => ({ stdout }))
    expect(checked.stdout).toBe('')
  })

  test('can be bundled for a browser, with nothing of Node in it', async () => {
    const entry = await project.write(
      'page.js',
      `import { createEngine } from '@lockstep/client'
      const engine = createEngine({ origin: '' })
      engine.conversations.subscribe(() => {
        const { items } = engine.conversations.list('active')
        document.body.textContent = items.map(({ title }) => title).join(', ')
      })
      await engine.start()`,
    )
    const result = await build({
      root: project.folder,
      configFile: false,
      logLevel: 'error',
      build: { write: false, minify: false, target: 'es2023', rollupOptions: { input: entry } },
    })
    const chunks = [result].flat().flatMap((built) => ('output' in built ? built.output : []))
    const code = chunks.map((chunk) => ('code' in chunk ? chunk.code : '')).join('\n')
    expect(code).toContain('/socket.io')
    expect(code).not.toMatch(/from ["']node:|require\(|__vite-browser-external/)
  })

  test('has a core of at most 20 KB: what a page loads of it at first, gzipped, without socket.io-client', async () => {
    const entry = await project.write(
      'core.js',
      `import { createEngine } from '@lockstep/client'
      globalThis.engine = createEngine({ origin: '', records: ['note'] })`,
    )
    for (const bundler of [byRolldown, byEsbuild])
      expect(await firstLoad(bundler, entry, 'socket.io-client')).toBeLessThanOrEqual(20 * 1024)
  })

  test('has the public interface that clients/typescript/api.md reports', async () => {
    const report = await apiReport(installed('client'))
    expect(report, 'run `node tools/pack-api-report.ts`').toBe(await readFile(reportFile, 'utf8'))
  })
})

// Each shows a conversation while a reply streams into it, and counts what renders.
describe('the packages for React, Svelte and Vue', () => {
  async function runProgram(name: string, text: string, options: string[] = []): Promise<unknown> {
    const program = await project.write(name, text)
    const person = [`${name}-${newId()}`, 'correct horse battery']
    const args = [...options, program, shared.node.url, ...person]
    const { stdout } = await run(process.execPath, args, { cwd: project.folder, timeout: 60_000 })
    return JSON.parse(stdout)
  }

  /** What every framework shows: the reply's row rendered often, and no other row did. */
  const onlyTheStreamRenders = {
    streamed: expect.toSatisfy((renders: number) => renders >= 3, 'at least three renders'),
    otherRows: [0],
    hooks: {
      ...{ useConnection: 0, useOutbox: 0, usePreference: 0, useSession: 0, useLockstep: 0 },
      // the preview of the whole reply; React's strict mode renders each component twice
      useConversations: expect.toSatisfy((renders: number) => renders <= 2, 'one change'),
    },
    thread: 0,
    state: 'ready',
    connection: 'live',
  }

  test('devtools: the panel shows the way of a change to both devices, and its text when it is opened', async () => {
    expect(await runProgram('devtools.js', devtoolsProgram)).toEqual([false, true, 0])
  })

  test('React: a streaming reply renders its own row alone, in strict mode and after a render on a server', async () => {
    expect(await runProgram('react.js', reactProgram)).toEqual(onlyTheStreamRenders)
  })

  test('Vue: a streaming reply updates its own row alone', async () => {
    expect(await runProgram('vue.js', vueProgram)).toEqual(onlyTheStreamRenders)
  })

  test('Svelte: a streaming reply updates its own row alone', async () => {
    for (const [name, source] of Object.entries(svelteComponents)) {
      const { js } = compile(source, { name, filename: `${name}.svelte`, generate: 'client' })
      await project.write(`${name}.svelte.js`, js.code)
    }
    const hooks = await project.write('svelte-for-the-dom.js', svelteForTheDom)
    expect(await runProgram('svelte.js', svelteProgram, ['--import', hooks])).toEqual(
      onlyTheStreamRenders,
    )
  })
})

test('AI SDK: a reply goes on through a reload, is taken up by other tabs, and each of them stops it', async () => {
  const program = await project.write('ai-sdk.js', aiSdkProgram)
  const args = [program, shared.node.url, `ai-${newId()}`, 'correct horse battery']
  const { stdout } = await run(process.execPath, args, { cwd: project.folder, timeout: 120_000 })
  const seen = [true, 2, 'stopped', true, 1, 4, 'stopped', true, true, 1]
  expect(JSON.parse(stdout)).toEqual(seen)
}, 150_000)

describe('@lockstep/embedded-mongo', () => {
  const roundTrip = async (url: string): Promise<unknown> => {
    await using client = await MongoClient.connect(url)
    const notes = client.db('foreign').collection<{ text: string }>('notes')
    await notes.insertOne({ text: 'hello' })
    return await notes.findOne({}, { projection: { _id: 0 } })
  }
  const startsDatabase = `import { startEmbedded } from '@lockstep/embedded-mongo'
    const { url, stop } = await startEmbedded({ dataDir: process.argv[2] })
    process.once('SIGTERM', () => stop())
    console.log(JSON.stringify({ url }))`

  test.each(['startEmbedded', 'the command embedded-mongo'])(
    '%s starts a database that drivers connect to, and ends in order',
    async (way) => {
      await using data = await mkdtempDisposable(path.join(tmpdir(), 'lockstep-foreign-data-'))
      const command = path.join(project.folder, 'node_modules/.bin/embedded-mongo')
      const [shown] = await commandsIn('realtime/embedded/README.md', '$ embedded-mongo ')
      const given: Record<string, string> = { './data': data.path, 27017: `${await freePort()}` }
      const args =
        way === 'startEmbedded'
          ? [await project.write('database.js', startsDatabase), data.path]
          : [command, ...shown!.map((word) => given[word] ?? word)]
      await using database = await startProcess({ command: process.execPath, args })
      const { url } = JSON.parse(await database.line(/^\{/, { within: 60_000 })) as { url: string }
      expect(await roundTrip(url)).toEqual({ text: 'hello' })
      database.signal('SIGTERM')
      expect(await database.exited).toEqual({ code: 0, signal: null })
    },
  )

  test.skipIf(otherNode === undefined || otherNode.major >= 22)(
    'says on an older Node which version it needs',
    async () => {
      const command = path.join(project.folder, 'node_modules/.bin/embedded-mongo')
      const program = await project.write('database.js', startsDatabase)
      for (const file of [command, program]) {
        await using old = await startProcess({
          command: otherNode!.path,
          args: [file, '--data-dir', 'data'],
        })
        expect((await old.exited).code).toBe(1)
        expect(old.output.join('\n')).toContain('needs Node.js 22.18 or later')
        expect(old.output.join('\n')).not.toContain('ERR_UNKNOWN_BUILTIN_MODULE')
      }
    },
  )
})

describe('every tarball', () => {
  const names = [
    'client',
    'react',
    'svelte',
    'vue',
    'ai-sdk',
    'persist',
    'devtools',
    'conformance',
    'protocol',
    'embedded-mongo',
  ]

  test.each(names)(
    '@lockstep/%s has what an installed package needs, and no more',
    async (name) => {
      const files = await readdir(installed(name), { recursive: true, withFileTypes: true })
      const paths = files
        .filter((entry) => entry.isFile())
        .map((entry) => path.relative(installed(name), path.join(entry.parentPath, entry.name)))
      expect(paths.filter((file) => !file.startsWith('dist/')).sort()).toEqual([
        'LICENSE',
        'README.md',
        'package.json',
      ])
      expect(
        paths.filter((file) => !/(\.js|\.js\.map|\.d\.ts)$|^dist\/vectors\//.test(file)).length,
      ).toBe(3)
      for (const file of paths) {
        const text = await readFile(installed(name, file), 'utf8')
        expect(text.includes(root), `${file} names a path of this machine`).toBe(false)
        if (!file.endsWith('.map'))
          expect(text, file).not.toMatch(/(from|import\(?|URL\() *['"]\.[^'"]*(?<!\.d)\.ts['"]/)
      }
    },
  )

  test.each(names)('@lockstep/%s has the repository’s version', async (name) => {
    const manifest = async (folder: string): Promise<Record<string, unknown>> =>
      JSON.parse(await readFile(path.join(folder, 'package.json'), 'utf8')) as Record<
        string,
        unknown
      >
    const { version } = await manifest(installed(name))
    expect(version).toBe((await manifest(root)).version)
  })

  test('the client contains the protocol, so that it can be installed alone', async () => {
    const { dependencies } = JSON.parse(
      await readFile(installed('client', 'package.json'), 'utf8'),
    ) as { dependencies: Record<string, string> }
    expect(Object.keys(dependencies).sort()).toEqual(['socket.io-client', 'zod'])
    const files = await readdir(installed('client/dist'), { recursive: true })
    for (const file of files.filter((file) => /(\.js|\.d\.ts)$/.test(file)))
      expect(await readFile(installed('client/dist', file), 'utf8')).not.toMatch(
        /['"]@lockstep\/protocol/,
      )
  })
})

describe('npm pack in the folder of a package', () => {
  test('gives the same tarball and leaves the folder as it was, also after an interruption', async () => {
    await using copy = await mkdtempDisposable(path.join(tmpdir(), 'lockstep-scratch-copy-'))
    const folders = ['protocol', 'clients', 'realtime/embedded', 'realtime/imports', 'tools']
    for (const name of [...folders, 'package.json', 'tsconfig.json', 'LICENSE'])
      await cp(path.join(root, name), path.join(copy.path, name), { recursive: true })
    await symlink(path.join(root, 'node_modules'), path.join(copy.path, 'node_modules'))
    const folder = path.join(copy.path, 'protocol')
    const before = await readdir(folder)
    const manifest = await readFile(path.join(folder, 'package.json'), 'utf8')

    // What an interrupted `npm pack` leaves: the published form, and the note of what to undo.
    const leftover = { ...(JSON.parse(manifest) as object), exports: './dist/old.js' }
    await writeFile(path.join(folder, 'package.json'), JSON.stringify(leftover))
    await mkdir(path.join(folder, 'dist'))
    await writeFile(path.join(folder, 'dist/old.js'), '')
    const undo = { manifest, created: ['dist', 'LICENSE'] }
    await writeFile(path.join(folder, '.prepack.json'), JSON.stringify(undo))
    await run('npm', ['pack', '--silent'], {
      cwd: folder,
      env: { ...process.env, PATH: `${path.dirname(process.execPath)}:${process.env.PATH}` },
    })

    const tarball = 'lockstep-protocol-0.1.0.tgz'
    const [own, all] = await Promise.all(
      [folder, project.folder].map((place) => readFile(path.join(place, tarball))),
    )
    expect(own!.equals(all!)).toBe(true)
    expect(await readdir(folder)).toEqual([...before, tarball].sort())
    expect(await readFile(path.join(folder, 'package.json'), 'utf8')).toBe(manifest)
  }, 120_000)
})
