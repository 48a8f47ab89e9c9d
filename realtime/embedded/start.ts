// The package's public API: starts the database for this process. The server runs in a thread of
// its own and listens at a unix socket that only the present user can open.
import { mkdtemp, rm } from 'node:fs/promises'
import nodeModule from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { connectionString } from './connection-string.ts'
import { checkNodeVersion } from './node-version.ts'
import { defaultSettings, type ServerSettings } from './settings.ts'
import type { WorkerData, WorkerMessage } from './worker.ts'

/** What `startEmbedded` is given. Settings that are left out have the defaults of a mongod. */
export interface EmbeddedOptions extends Partial<ServerSettings> {
  /**
   * Directory of the data; it is created if it doesn't exist. One server at a time can use it, in
   * whatever process.
   */
  readonly dataDir: string
  /**
   * Called once if the running server breaks (a full disk, an I/O error). It has stopped answering
   * by then, and nothing that it had not acknowledged is certain to be stored.
   */
  readonly onFault?: (error: Error) => void
}

/** A running database. */
export interface Embedded {
  /**
   * The connection string, `mongodb://<percent-encoded socket>/?directConnection=true`. It names no
   * database: name one with `client.db(name)`, or put the name between the last `/` and the `?`, as
   * in `` url.replace('/?', `/${name}?`) ``.
   */
  readonly url: string
  /**
   * Lets running commands finish, makes their writes durable, closes all connections and releases
   * the data directory. It may be called more than once. Rejects if the writes could not be made
   * durable; everything is closed then too.
   */
  stop(): Promise<void>
}

/**
 * Starts the database and resolves as soon as it accepts connections.
 *
 * @throws an error whose message is for people, if another server uses the data directory or if
 *   this Node.js is older than 22.18
 */
export async function startEmbedded({
  dataDir,
  onFault,
  ...settings
}: EmbeddedOptions): Promise<Embedded> {
  checkNodeVersion()
  // The name of a unix socket has at most 107 bytes, and the path of the data directory may be
  // longer.
  const socketDir = await mkdtemp(join(tmpdir(), 'embedded-mongo-'))
  const socketPath = join(socketDir, 'db.sock')
  const workerData: WorkerData = {
    dataDir,
    socketPath,
    settings: { ...defaultSettings, ...settings },
    compileCache: compileCacheFolder(),
  }
  const worker = new Worker(workerUrl(), { workerData })
  const removeSocketDir = (): Promise<void> => rm(socketDir, { recursive: true, force: true })
  try {
    await untilReady(worker)
  } catch (error) {
    await worker.terminate()
    await removeSocketDir()
    throw error
  }
  let stopped: Promise<void> | undefined
  const exited = new Promise<void>((resolve) => worker.once('exit', () => resolve()))
  let isReported = false
  const report = (error: Error): void => {
    if (stopped || isReported) return
    isReported = true
    onFault?.(error)
  }
  worker.on('error', report)
  worker.on('exit', () => report(new Error('The thread of the database has ended.')))
  worker.on('message', (message: WorkerMessage) => {
    if (message.type === 'fault') report(new Error(message.message))
  })
  const stop = async (): Promise<void> => {
    let failure: string | undefined
    worker.on('message', (message: WorkerMessage) => {
      if (message.type === 'fault') failure = message.message
    })
    worker.postMessage('stop')
    await exited
    await removeSocketDir()
    if (failure !== undefined) throw new Error(failure)
  }
  return { url: connectionString(socketPath), stop: () => (stopped ??= stop()) }
}

/** Node's own folder of compiled code is in a folder that was chosen for it. */
function compileCacheFolder(): string | undefined {
  // Not imported by name: an older Node.js lacks it, and has to come as far as the version's check.
  const own = nodeModule.getCompileCacheDir()
  return own === undefined ? undefined : dirname(own)
}

/** The worker's file: TypeScript in the workspace, JavaScript in the packed package. */
function workerUrl(): URL {
  const source = new URL('./worker.ts', import.meta.url)
  return import.meta.url.endsWith('.ts') ? source : new URL(source.href.replace(/\.ts$/, '.js'))
}

function untilReady(worker: Worker): Promise<void> {
  return new Promise((resolve, reject) => {
    const ended = () => reject(new Error('The database stopped while it was starting.'))
    worker.once('error', reject)
    worker.once('exit', ended)
    worker.once('message', (message: WorkerMessage) => {
      worker.off('error', reject)
      worker.off('exit', ended)
      if (message.type === 'ready') return resolve()
      if (message.type === 'fault') return reject(new Error(message.message))
      ended()
    })
  })
}
