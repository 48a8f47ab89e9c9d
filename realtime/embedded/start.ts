// Starts the embedded database inside this process, in a thread of its own, behind a socket that only this user can open.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { defaultParameters, type Parameters } from './parameters.ts'
import { urlOf } from './url.ts'
import type { WorkerData, WorkerMessage } from './worker.ts'

/** How to start. */
export interface EmbeddedOptions extends Partial<Parameters> {
  /** Where the data lives; made when missing. One process at a time. */
  readonly dataDir: string
  /** Told once when the running server breaks (a full disk, an I/O error); it no longer answers then. */
  readonly onFault?: (error: Error) => void
}

/** A running embedded database. */
export interface Embedded {
  /**
   * The connection string, `mongodb://<percent-encoded socket>/?directConnection=true`. It names no database: name one with
   * `client.db(name)`, or put it between the last `/` and the `?`, i.e. `url.replace('/?', `/${name}?`)`.
   */
  readonly url: string
  /** Finishes what runs, makes it durable, closes. Idempotent. */
  stop(): Promise<void>
}

/**
 * Starts the database; resolves once it accepts connections. Rejects with a sentence for people when another process
 * holds the data directory.
 */
export async function startEmbedded({
  dataDir,
  onFault,
  ...given
}: EmbeddedOptions): Promise<Embedded> {
  // The data directory's own path may be longer than the 107 bytes that a unix socket's name can have.
  const socketDir = await mkdtemp(join(tmpdir(), 'embedded-db-'))
  const socketPath = join(socketDir, 'db.sock')
  const data: WorkerData = { dataDir, socketPath, parameters: { ...defaultParameters, ...given } }
  const worker = new Worker(new URL('./worker.ts', import.meta.url), { workerData: data })
  const cleanUp = (): Promise<void> => rm(socketDir, { recursive: true, force: true })
  try {
    await ready(worker)
  } catch (error) {
    await worker.terminate()
    await cleanUp()
    throw error
  }
  let stopped: Promise<void> | undefined
  const exited = new Promise<void>((resolve) => worker.once('exit', () => resolve()))
  const report = (error: Error): void => {
    if (!stopped) onFault?.(error)
  }
  worker.on('error', report)
  worker.on('message', (message: WorkerMessage) => {
    if (message.type === 'fault') report(new Error(message.message))
  })
  const stop = async (): Promise<void> => {
    worker.postMessage('stop')
    await exited
    await cleanUp()
  }
  return { url: urlOf(socketPath), stop: () => (stopped ??= stop()) }
}

function ready(worker: Worker): Promise<void> {
  return new Promise((resolve, reject) => {
    worker.once('error', reject)
    worker.once('message', (message: WorkerMessage) => {
      worker.off('error', reject)
      if (message.type === 'ready') resolve()
      else
        reject(
          new Error(
            message.type === 'fault' ? message.message : 'the database stopped while it started',
          ),
        )
    })
  })
}
