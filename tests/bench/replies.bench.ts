// Streamed replies: the time of a token from the provider to a device, with one reply and with
// fifty; the node's CPU time per reply; the writes to the database.
import { readFileSync } from 'node:fs'
import { performance } from 'node:perf_hooks'
import { setTimeout as pause } from 'node:timers/promises'
import { MongoClient } from 'mongodb'
import { test } from 'vitest'
import type { Delta } from '@lockstep/protocol/sync'
import { OpenAiServer, type Answer } from '../agents/openai-server.ts'
import { freshDatabase } from '../harness/database.ts'
import type { Device } from '../harness/device.ts'
import { spawnNode, type NodeProcess } from '../harness/node.ts'
import { signUp, type Person } from '../harness/person.ts'
import { percentile, print } from './table.ts'

const TOKENS_PER_SECOND = 100
const SECONDS = 12
/** The number of devices of each user, and of replies at the same time. */
const REPLIES = 5
const DEVICES = 3

const now = () => performance.timeOrigin + performance.now()

/** The text of each token is the time at which the provider sent it. */
async function dictate(answer: Answer): Promise<void> {
  const began = now()
  for (let said = 0; said < TOKENS_PER_SECOND * SECONDS; said++) {
    const early = began + (said * 1000) / TOKENS_PER_SECOND - now()
    if (early > 1) await pause(early)
    answer.text(`${now().toFixed(1)} `)
  }
  answer.finish()
}

class Observer {
  /** The time of each token from the provider to the device (ms). */
  readonly ages: number[] = []
  /** The time between two deltas of the same reply on the same device (ms). */
  readonly gaps: number[] = []

  watch(device: Device): Promise<void> {
    const last = new Map<string, number>()
    let finished = 0
    const done = Promise.withResolvers<void>()
    device.socket.on('delta', ({ run_id, text }: Delta) => {
      const at = now()
      const before = last.get(run_id)
      if (before !== undefined) this.gaps.push(at - before)
      last.set(run_id, at)
      for (const said of text.split(' ')) if (said.length > 10) this.ages.push(at - Number(said))
    })
    device.socket.on('change', ({ op }: { op: string }) => {
      if (op === 'finished' && ++finished === last.size) done.resolve()
    })
    return done.promise
  }
}

async function measure(
  node: NodeProcess,
  url: string,
  users: number,
  replies: number,
  devices: number,
) {
  const people = await Promise.all(Array.from({ length: users }, () => signUp(node)))
  const observer = new Observer()
  const opened = await Promise.all(
    people.flatMap((person) =>
      Array.from({ length: devices }, () => person.device('conversations')),
    ),
  )
  const over = opened.map((device) => observer.watch(device))
  await using writes = await countWrites(url)
  const cpu = cpuSeconds(node)
  const own = performance.eventLoopUtilization()
  const began = performance.now()
  await Promise.all(
    people.flatMap((person) => Array.from({ length: replies }, () => start(person))),
  )
  await Promise.all(over)
  const seconds = (performance.now() - began) / 1000
  const used = cpuSeconds(node) - cpu
  const busy = performance.eventLoopUtilization(own).utilization
  for (const device of opened) device.close()
  return {
    ...observer,
    seconds,
    cpu: used,
    busy,
    writes: writes.byCollection,
    count: users * replies,
  }
}

async function start(person: Person): Promise<void> {
  const { id } = await person.ask('createConversation', {
    body: { messages: [{ role: 'user', content: 'Go' }] },
  })
  await using device = await person.device('conversations')
  await device.done('reply', { conversation_id: id })
}

/** Counts the documents that are written, by collection. */
async function countWrites(url: string) {
  const client = await MongoClient.connect(url)
  const byCollection = new Map<string, number>()
  const stream = client.db().watch([{ $project: { ns: 1 } }])
  stream.on('change', ({ ns }: { ns?: { coll?: string } }) =>
    byCollection.set(ns?.coll ?? '', (byCollection.get(ns?.coll ?? '') ?? 0) + 1),
  )
  await new Promise((resolve) => stream.once('resumeTokenChanged', resolve))
  const close = async () => {
    await stream.close()
    await client.close()
  }
  return { byCollection, [Symbol.asyncDispose]: close }
}

/** The CPU time of the node's process so far; the kernel counts hundredths of a second. */
function cpuSeconds({ process }: NodeProcess): number {
  const fields = readFileSync(`/proc/${process.pid}/stat`, 'utf8').split(') ').at(-1)!.split(' ')
  return (Number(fields[11]) + Number(fields[12])) / 100
}

test('fifty replies at once on three devices each', async () => {
  await using server = await OpenAiServer.start(dictate)
  await using database = freshDatabase()
  const env = {
    LOG_LEVEL: 'silent',
    ASSISTANT_BASE_URL: server.url,
    ASSISTANT_MODEL: 'clock',
    ASSISTANT_API_KEY: 'none',
  }
  await using node = await spawnNode(database, env)
  await measure(node, database.url, 1, 1, 1) // warms up
  const one = await measure(node, database.url, 1, 1, 1)
  const fifty = await measure(node, database.url, 50 / REPLIES, REPLIES, DEVICES)
  const times = (what: string, { ages, gaps }: typeof one) => ({
    '': what,
    'token at the device, p50 ms': percentile(ages, 0.5).toFixed(1),
    'p95 ms': percentile(ages, 0.95).toFixed(1),
    'between two deltas, p50 ms': percentile(gaps, 0.5).toFixed(1),
  })
  print(
    `A token at ${TOKENS_PER_SECOND} a second, from the provider to a device (collected for 40 ms on the way)`,
    [
      times('floor: one reply, one device', one),
      times(`${fifty.count} replies, ${DEVICES} devices each`, fifty),
    ],
  )
  const rows = [one, fifty].map(({ count, cpu, seconds, writes, gaps, busy }) => ({
    [`of ${SECONDS} s each`]: `${count} at once`,
    'node: CPU µs a token': ((cpu * 1e6) / count / SECONDS / TOKENS_PER_SECOND).toFixed(0),
    'log entries a reply': ((writes.get('changes') ?? 0) / count).toFixed(1),
    'documents written a reply': (
      [...writes.values()].reduce((sum, n) => sum + n, 0) / count
    ).toFixed(1),
    'longest gap ms': percentile(gaps, 1).toFixed(0),
    'took s': seconds.toFixed(0),
    'provider and devices busy %': (busy * 100).toFixed(0),
  }))
  print('What a running reply costs', rows)
})
