// A worker: a client that does nothing but ping, and notes how long each ping takes.
import { setTimeout as sleep } from 'node:timers/promises'
import { parentPort, workerData } from 'node:worker_threads'
import { MongoClient } from 'mongodb'

const client = await new MongoClient((workerData as { url: string }).url).connect()
let longest = 0
let isPinging = true
parentPort!.on('message', (message: 'longest' | 'stop') => {
  if (message === 'stop') {
    isPinging = false
    return
  }
  parentPort!.postMessage(longest)
  longest = 0
})
parentPort!.postMessage('ready')
while (isPinging) {
  const begun = performance.now()
  await client.db('test').command({ ping: 1 })
  longest = Math.max(longest, performance.now() - begun)
  await sleep(2)
}
await client.close()
parentPort!.close()
