// Lets nodes serve people for a while of virtual time, and measures what that takes. The people are
// those of docs/scale.md: two tabs each, one of them at each of two nodes.
import { setImmediate as nextTurn } from 'node:timers/promises'
import { newId } from '@lockstep/protocol/ids'
import type { CommandContext } from '../../realtime/log/entry.ts'
import { createMessageSeals } from '../../realtime/redis/message-seals.ts'
import { openDatabase } from '../../realtime/store/database.ts'
import { readDeployment } from '../../realtime/store/feed.ts'
import { createUsers, inBatches } from '../cluster/bulk-users.ts'
import { watchDatabase } from './database-watch.ts'
import { MemoryNetwork } from './memory-network.ts'
import { MemoryRedis } from './memory-redis.ts'
import { randomOf } from './random.ts'
import { SimulatedDevice, type Seen } from './simulated-device.ts'
import { startSimulatedNode } from './simulated-node.ts'
import { realNow, VirtualClock } from './virtual-clock.ts'

export interface SimulationOptions {
  databaseUrl: string
  /** People; each has as many tabs as there are nodes. */
  users: number
  nodes: number
  /** Nodes of which only the heartbeats are simulated. */
  otherNodes: number
  minutes: number
  seed: number
  progress(text: string): void
}

/** What the nodes needed together. */
export interface Needed {
  devices: number
  /** Virtual seconds of the mix. */
  seconds: number
  /** The processor's seconds of the nodes' thread, without those of devices and other nodes. */
  cpuSeconds: number
  cpuMsPerJoin: number
  residentMb: number
  changes: number
  delivered: number
  deltas: number
  commands: Record<string, number>
  lookUps: Record<string, number>
  published: { sharded: number; plain: number; deliveries: number; bytes: number }
  faults: string[]
}

const MINUTE_MS = 60_000
const SETTLE_MS = 30_000
/** How many devices join a node in a second. */
const JOINS_PER_SECOND = 50
/** Of 1: people who change something, how often, and people who get a streamed reply. */
const mix = { active: 0.1, changesPerMinute: 2, streaming: 0.01, deltasPerSecond: 25 }
const text =
  'A message of an ordinary length, as people write them: about a hundred characters or so'

/** Replaces the time of this process for good, so it must have nothing else to do. */
export async function simulate(options: SimulationOptions): Promise<Needed> {
  const { databaseUrl, nodes: nodeCount, minutes, progress } = options
  const random = randomOf(options.seed)
  const clock = new VirtualClock()
  const network = new MemoryNetwork()
  const redis = new MemoryRedis(network)
  const seen: Seen = { joined: 0, changes: 0, deltas: 0, heads: 0, acks: 0, faults: [], ms: 0 }
  const people = await createUsers(databaseUrl, options.users, () => '')
  const deployment = await deploymentOf(databaseUrl)
  progress(`${people.length} users have accounts`)

  const watch = watchDatabase()
  let working = 0
  let worked = Promise.withResolvers<void>()
  async function during<T>(work: Promise<T>): Promise<T> {
    working++
    return work.finally(() => {
      working--
      worked.resolve()
      worked = Promise.withResolvers()
    })
  }
  async function settled(): Promise<void> {
    for (let quietTurns = 0; quietTurns < 3;) {
      const isWaiting = watch.isBusy() || working > 0
      if (isWaiting) await Promise.race([watch.nextAnswer(), worked.promise])
      else await nextTurn()
      quietTurns = isWaiting || !network.isIdle ? 0 : quietTurns + 1
    }
  }

  clock.install()
  const starting = Promise.all(
    Array.from({ length: nodeCount }, () => startSimulatedNode({ databaseUrl, redis, during })),
  )
  const nodes = await clock.keepPace(starting)
  const residentBefore = process.memoryUsage.rss()

  const cpu = measureCpu(() => seen.ms)
  const devices = people.map(() => [] as SimulatedDevice[])
  for (const [index, { cookie }] of people.entries()) {
    for (const [at, { httpServer }] of nodes.entries())
      devices[index]![at] = new SimulatedDevice(network, httpServer, cookie!, seen)
    await clock.pass(1_000 / JOINS_PER_SECOND, settled)
  }
  await clock.pass(SETTLE_MS, settled)
  const joinSeconds = cpu()
  const deviceCount = people.length * nodeCount
  if (seen.joined !== deviceCount)
    seen.faults.push(`${seen.joined} of ${deviceCount} devices have joined`)
  progress(`${seen.joined} devices have joined`)

  // Everybody who will write has a conversation before the measurement begins.
  const [first] = nodes
  const writers = people.slice(0, Math.ceil(people.length * (mix.active + mix.streaming)))
  const conversationIds = new Map<string, string>()
  await Promise.all([
    inBatches(writers.length, async (index) => {
      const id = newId()
      conversationIds.set(writers[index]!.user.id, id)
      await first!.conversations.change('create', by(writers[index]!.user.id), { id })
    }),
    clock.pass(SETTLE_MS, settled),
  ])

  const streaming = Math.ceil(people.length * mix.streaming)
  const end = clock.now + minutes * MINUTE_MS
  const before = { ...seen }
  const published = { ...redis.counts }
  watch.commands.clear()
  watch.lookUps.clear()
  const ofMix = measureCpu(() => seen.ms)
  let changes = 0

  /** Calls back at random moments, so many times a minute on average, until the end. */
  function often(perMinute: number, act: () => void): void {
    const next = () =>
      setTimeout(
        () => {
          if (clock.now > end) return
          act()
          next()
        },
        (-Math.log(1 - random()) * MINUTE_MS) / perMinute,
      )
    next()
  }
  for (const [index, { user }] of writers.entries()) {
    const id = conversationIds.get(user.id)!
    const message = { role: 'user', content: text } as const
    if (index >= streaming) {
      often(mix.changesPerMinute, () => {
        changes++
        const device = devices[index]![Math.floor(random() * nodeCount)]!
        device.command('conversations', 'append', {
          mutation_id: newId(),
          conversation_id: id,
          message,
        })
      })
      continue
    }
    const { gateway, conversations } = nodes[index % nodeCount]!
    const run_id = newId()
    let offset = 0
    often(60 * mix.deltasPerSecond, () => {
      gateway.delta(user.id, 'conversations', {
        entity_id: id,
        run_id,
        offset,
        text: 'a few words ',
      })
      offset += 'a few words '.length
    })
    often(60, () => {
      changes++
      conversations
        .change('append', by(user.id), { conversation_id: id, message })
        .catch((error: unknown) => seen.faults.push(`a piece was not appended: ${String(error)}`))
    })
  }
  if (options.otherNodes > 0) beatForOthers(options.otherNodes, deployment, redis, seen)

  for (let minute = 1; minute <= minutes; minute++) {
    await clock.pass(MINUTE_MS, settled)
    progress(`minute ${minute} of ${minutes}: ${ofMix().toFixed(1)} s of the processor so far`)
  }
  const needed: Needed = {
    devices: deviceCount,
    seconds: minutes * 60,
    cpuSeconds: ofMix(),
    cpuMsPerJoin: (joinSeconds * 1_000) / deviceCount,
    residentMb: (process.memoryUsage.rss() - residentBefore) / 1024 ** 2,
    changes,
    delivered: seen.changes - before.changes,
    deltas: seen.deltas - before.deltas,
    commands: Object.fromEntries(watch.commands),
    lookUps: Object.fromEntries(watch.lookUps),
    published: {
      sharded: redis.counts.sharded - published.sharded,
      plain: redis.counts.plain - published.plain,
      deliveries: redis.counts.deliveries - published.deliveries,
      bytes: redis.counts.bytes - published.bytes,
    },
    faults: [],
  }
  await clock.pass(SETTLE_MS, settled)
  await clock.keepPace(
    inBatches(people.length, async (index) => {
      const { seq } = await first!.log.head(people[index]!.user.id, 'conversations')
      for (const device of devices[index]!)
        if (device.cursor('conversations') !== seq)
          seen.faults.push(`a device has ${device.cursor('conversations')} of ${seq} changes`)
    }),
  )
  needed.faults.push(...seen.faults)
  await clock.keepPace(Promise.all(nodes.map((node) => node.stop())))
  return needed
}

const by = (user_id: string): CommandContext => ({
  user_id,
  session_id: null,
  device: 'simulation',
  mutation_id: newId(),
})

/** Returns the seconds of this thread since the call, without those that `outsideMs` counts. */
function measureCpu(outsideMs: () => number): () => number {
  const began = process.threadCpuUsage()
  const outside = outsideMs()
  return () => {
    const { user, system } = process.threadCpuUsage(began)
    return (user + system) / 1e6 - (outsideMs() - outside) / 1_000
  }
}

async function deploymentOf(databaseUrl: string) {
  const database = await openDatabase(databaseUrl)
  try {
    return await readDeployment(database)
  } finally {
    await database.close()
  }
}

/** Publishes the heartbeats of nodes that aren't simulated. */
function beatForOthers(
  count: number,
  { name, messageKey }: Awaited<ReturnType<typeof deploymentOf>>,
  redis: MemoryRedis,
  seen: Seen,
): void {
  const channel = `lockstep:${name}:sealed:nodes`
  const seals = createMessageSeals(messageKey)
  const ids = Array.from({ length: count }, newId)
  let n = 0
  setInterval(() => {
    const began = realNow()
    n++
    for (const node of ids)
      redis.publish('messageBuffer', channel, seals.seal(channel, JSON.stringify({ node, n })))
    seen.ms += realNow() - began
  }, 1_000)
}
