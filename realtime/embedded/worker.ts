// The thread in which `startEmbedded` runs the server, so that an fsync blocks this thread only.
import { enableCompileCache } from 'node:module'
import { parentPort, workerData } from 'node:worker_threads'
import type { ServerSettings } from './settings.ts'

/** What the starting thread hands over. */
export interface WorkerData {
  readonly dataDir: string
  readonly socketPath: string
  readonly settings: ServerSettings
  /** The folder of compiled code that the starting thread uses. Undefined: none. */
  readonly compileCache: string | undefined
}

/**
 * What the worker reports. `ready` comes first, or a `fault` if the server could not start. A later
 * `fault` means that the running server broke. `stopped` answers the message `stop`.
 */
export type WorkerMessage =
  { type: 'ready' } | { type: 'fault'; message: string } | { type: 'stopped' }

const port = parentPort
if (!port) throw new Error('worker.ts only runs in a worker thread')
const { dataDir, socketPath, settings, compileCache } = workerData as WorkerData
const report = (message: WorkerMessage): void => port.postMessage(message)
const reportFault = (error: unknown): void =>
  report({ type: 'fault', message: error instanceof Error ? error.message : String(error) })

// A thread does not inherit the cache of its process.
if (compileCache !== undefined) enableCompileCache(compileCache)

try {
  const { runServer } = await import('./server.ts')
  const server = await runServer(dataDir, { path: socketPath }, settings, reportFault)
  port.once('message', () => {
    // The thread ends in any case: whoever stops the server waits for that.
    void server
      .stop()
      .then(() => report({ type: 'stopped' }), reportFault)
      .finally(() => port.close())
  })
  report({ type: 'ready' })
} catch (error) {
  reportFault(error)
  port.close()
}
