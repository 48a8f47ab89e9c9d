// The thread that `startEmbedded` runs the server in: an fsync blocks this thread and no other.
import { enableCompileCache } from 'node:module'
import { parentPort, workerData } from 'node:worker_threads'
import type { ServerSettings } from './settings.ts'

/** What the starting thread passes. */
export interface WorkerData {
  readonly dataDir: string
  readonly socketPath: string
  readonly parameters: ServerSettings
}

/** What the worker tells: it is ready, it could not start or broke, it has stopped. */
export type WorkerMessage =
  { type: 'ready' } | { type: 'fault'; message: string } | { type: 'stopped' }

const port = parentPort
if (!port) throw new Error('worker.ts runs in a worker thread only')
const { dataDir, socketPath, parameters } = workerData as WorkerData
const tell = (message: WorkerMessage): void => port.postMessage(message)
const fault = (error: unknown): void =>
  tell({ type: 'fault', message: error instanceof Error ? error.message : String(error) })

enableCompileCache() // a thread does not inherit it

try {
  const { runServer } = await import('./server.ts')
  const server = await runServer(dataDir, { path: socketPath }, parameters, fault)
  port.once('message', () => {
    void server.stop().then(() => {
      tell({ type: 'stopped' })
      port.close()
    }, fault)
  })
  tell({ type: 'ready' })
} catch (error) {
  fault(error)
  port.close()
}
