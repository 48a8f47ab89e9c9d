// The thread in which `startEmbedded` runs the server, so that an fsync blocks this thread only. It
// says the server's URL as soon as the server accepts connections, and stops at any message.
// Whatever breaks the server ends the thread with that error.
import { enableCompileCache } from 'node:module'
import { parentPort, workerData } from 'node:worker_threads'
import type { Address } from './server.ts'
import type { ServerSettings } from './settings.ts'

/** What the starting thread hands over. */
export interface WorkerData {
  readonly dataDir: string
  readonly address: Address
  readonly settings: ServerSettings
  /** The folder of compiled code that the starting thread uses. Undefined: none. */
  readonly compileCache: string | undefined
}

const port = parentPort
if (!port) throw new Error('worker.ts only runs in a worker thread')
const { dataDir, address, settings, compileCache } = workerData as WorkerData

// A thread does not inherit the cache of its process.
if (compileCache !== undefined) enableCompileCache(compileCache)

const { runServer } = await import('./server.ts')
const server = await runServer(dataDir, address, settings, (error) => {
  setImmediate(() => {
    throw error
  })
})
// The thread ends in any case: whoever stops the server waits for that.
port.once('message', () => void server.stop().finally(() => port.close()))
port.postMessage(server.url)
