// The package's public API: starts the database for this process. The server runs in a thread of
// its own and listens at a unix socket that only the present user can open.
import { mkdtemp, rm } from 'node:fs/promises'
import nodeModule from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { defaultSettings, type ServerSettings } from './settings.ts'
import type { WorkerData } from './worker.ts'

/** What `startEmbedded` is given. Settings that are left out have the defaults of a mongod. */
export interface EmbeddedOptions extends Partial<ServerSettings> {
  /**
   * Directory of the data; it is created if it doesn't exist. One server at a time can use it, in
   * whatever process.
   */
  readonly dataDir: string
  /** Port of 127.0.0.1 to listen at; 0: any free port. */
  readonly port?: number | undefined
  /**
   * Path of a unix socket to listen at, which ends in `.sock`. Without a path and without a port it
   * is a new socket that only the present user can open.
   */
  readonly socket?: string | undefined
  /**
   * Called once if the running server breaks (a full disk, an I/O error). It has stopped answering
   * by then, and nothing that it had not acknowledged is certain to be stored.
   */
  readonly onFault?: (error: Error) => void
}

export interface Embedded {
  /**
   * The connection string, such as `mongodb://<percent-encoded socket>/?directConnection=true`. It
   * names no database: name one with `client.db(name)`, or put the name between the last `/` and
   * the `?`, as in `` url.replace('/?', `/${name}?`) ``.
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
 * Starts the database and resolves as soon as it accepts connections. @throws an error whose
 * message is for people, if another server uses the data directory or if this Node.js is older than
 * 22.18
 */
export async function startEmbedded({
  dataDir,
  port,
  socket,
  onFault,
  ...settings
}: EmbeddedOptions): Promise<Embedded> {
  checkNodeVersion()
  // Drivers tell the path of a socket from the name of a host by its ending.
  if (socket !== undefined && !socket.endsWith('.sock'))
    throw new Error('The path of a socket has to end in .sock')
  // The name of a unix socket has at most 107 bytes, and the path of the data directory may be
  // longer.
  const needsFolder = port === undefined && socket === undefined
  const folder = needsFolder ? await mkdtemp(join(tmpdir(), 'embedded-mongo-')) : undefined
  const workerData: WorkerData = {
    dataDir,
    address: port === undefined ? { path: socket ?? join(folder!, 'db.sock') } : { port },
    settings: { ...defaultSettings, ...settings },
    compileCache: compileCacheFolder(),
  }
  const worker = new Worker(workerUrl(), { workerData })
  let failure: Error | undefined
  worker.once('error', (error: Error) => (failure = error))
  const ready = new Promise<string>((resolve) => worker.once('message', resolve))
  const exited = new Promise<void>((resolve) => worker.once('exit', () => resolve()))
  const ended = async (): Promise<void> => {
    await exited
    if (folder !== undefined) await rm(folder, { recursive: true, force: true })
    if (failure) throw failure
  }
  const url = await Promise.race([ready, ended()])
  if (url === undefined) throw new Error('The database stopped while it was starting.')
  let stopped: Promise<void> | undefined
  worker.once('exit', () => {
    if (!stopped) onFault?.(failure ?? new Error('The thread of the database has ended.'))
  })
  const stop = (): Promise<void> => {
    worker.postMessage('stop')
    return ended()
  }
  return { url, stop: () => (stopped ??= stop()) }
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

// `node:sqlite` is missing in older versions, or hidden behind a flag, so the version is checked
// before anything imports it.
const OLDEST: readonly [major: number, minor: number] = [22, 18]

/** Throws an error whose message is for people if this Node.js is too old. */
export function checkNodeVersion(version = process.versions.node): void {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  if (major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1])) return
  throw new Error(
    `@lockstep/embedded-mongo needs Node.js ${OLDEST.join('.')} or later, because it stores its data with node:sqlite. This is Node.js ${version}.`,
  )
}
