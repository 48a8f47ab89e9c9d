// A database for a test: an embedded server on a fresh directory, or one in a process of its own that can be killed. Both
// clean up after themselves.
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { MongoClient } from 'mongodb'
import type { Db } from 'mongodb'
import { startEmbedded } from '@lockstep/embedded-mongo/start'
import type { EmbeddedOptions } from '@lockstep/embedded-mongo/start'
import { programPath } from '../harness/programs.ts'

/** A directory that is gone at the end of the test. */
export async function temporaryDirectory(): Promise<{ path: string } & AsyncDisposable> {
  const path = await mkdtemp(join(tmpdir(), 'embedded-test-'))
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) }
}

/** A running server with a connected client. */
export interface TestDatabase extends AsyncDisposable {
  readonly client: MongoClient
  readonly db: Db
  readonly url: string
}

/** Starts a server in this process; `dataDir` is temporary unless given. */
export async function openDatabase(options: Partial<EmbeddedOptions> = {}): Promise<TestDatabase> {
  await using cleanUp = new AsyncDisposableStack()
  const dataDir = options.dataDir ?? cleanUp.use(await temporaryDirectory()).path
  const server = await startEmbedded({ ...options, dataDir })
  cleanUp.defer(() => server.stop())
  const client = await new MongoClient(server.url).connect()
  cleanUp.defer(() => client.close())
  const owned = cleanUp.move()
  return {
    client,
    db: client.db('test'),
    url: server.url,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

/** A server in a process of its own. */
export interface ServerProcess extends AsyncDisposable {
  readonly url: string
  /** Ends it with SIGKILL, as a crash would. */
  kill(): Promise<void>
  /** Ends it with SIGTERM; gives its exit code. */
  terminate(): Promise<number | null>
}

/** Starts `main.ts` on the directory. Rejects with what it said on stderr when it ends before it is ready. */
export async function spawnServer(dataDir: string, ...flags: string[]): Promise<ServerProcess> {
  const program = programPath('embedded-mongo')
  const child = spawn(process.execPath, [program, '--data-dir', dataDir, ...flags], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const exited = once(child, 'exit') as Promise<[number | null]>
  const end = async (signal: NodeJS.Signals): Promise<number | null> => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal)
    return (await exited)[0]
  }
  const url = await announced(child, exited)
  return {
    url,
    kill: async () => void (await end('SIGKILL')),
    terminate: () => end('SIGTERM'),
    [Symbol.asyncDispose]: async () => void (await end('SIGKILL')),
  }
}

async function announced(child: ChildProcess, exited: Promise<unknown>): Promise<string> {
  let complaint = ''
  child.stderr!.on('data', (chunk: Buffer) => (complaint += chunk.toString()))
  const line = once(createInterface(child.stdout!), 'line').then(
    ([text]) => (JSON.parse(text as string) as { url: string }).url,
  )
  return Promise.race([
    line,
    exited.then(() => {
      throw new Error(complaint)
    }),
  ])
}
