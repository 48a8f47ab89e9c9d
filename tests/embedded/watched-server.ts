// A worker: a server whose thread notes its longest turn. A turn is counted in CPU time, because
// other programs of a busy machine lengthen the clock's.
import { parentPort, workerData } from 'node:worker_threads'
import { runServer } from '../../realtime/embedded/server.ts'
import { defaultSettings } from '../../realtime/embedded/settings.ts'

/** What the worker answers to each message: the work since the message before. */
export interface Work {
  /** CPU time of the longest turn (ms). */
  longestTurn: number
  /** CPU time of all turns (ms). */
  total: number
}

const { dataDir } = workerData as { dataDir: string }
const path = `${dataDir}/db.sock`
const server = await runServer(dataDir, { path }, defaultSettings, (error) => {
  throw error
})

const now = (): number => {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1000
}
let [begun, turnBegun, longestTurn] = [now(), now(), 0]
let watched = true
const watch = (): void => {
  if (!watched) return
  const time = now()
  longestTurn = Math.max(longestTurn, time - turnBegun)
  turnBegun = time
  setImmediate(watch)
}
watch()

parentPort!.on('message', (message: 'work' | 'stop') => {
  const work: Work = { longestTurn, total: now() - begun }
  longestTurn = 0
  turnBegun = begun = now()
  if (message === 'work') return parentPort!.postMessage(work)
  watched = false
  void server.stop().then(() => parentPort!.close())
})
parentPort!.postMessage(server.url)
