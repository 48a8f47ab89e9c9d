// Lets nodes serve people for a while of virtual time, and measures what that takes: nodes start,
// devices join, people act (mix.ts) for as many minutes as were asked for, and in the end each
// device must hold what the log holds.
import { newId } from '@lockstep/protocol/ids'
import { createMessageSeals } from '../../realtime/redis/message-seals.ts'
import { openDatabase } from '../../realtime/store/database.ts'
import { readDeployment } from '../../realtime/store/feed.ts'
import { createUsers, inBatches } from '../cluster/bulk-users.ts'
import { randomOf } from '../harness/random.ts'
import { watchDatabase, type DatabaseWatch } from './database-watch.ts'
import { MemoryNetwork } from './memory-network.ts'
import { MemoryRedis } from './memory-redis.ts'
import { createConversations, startMix, type Person } from './mix.ts'
import { createSettling, type Settling } from './settling.ts'
import { SimulatedDevice, type Seen } from './simulated-device.ts'
import { startSimulatedNode, type SimulatedNode } from './simulated-node.ts'
import { realNow, VirtualClock } from './virtual-clock.ts'

export interface SimulationOptions {
  databaseUrl: string
  /** People; each has as many tabs as there are nodes. */
  users: number
  nodes: number
  /** Nodes that only send heartbeats. */
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

interface Simulation extends Settling {
  options: SimulationOptions
  clock: VirtualClock
  network: MemoryNetwork
  redis: MemoryRedis
  watch: DatabaseWatch
  seen: Seen
  nodes: SimulatedNode[]
  people: Person[]
}

const MINUTE_MS = 60_000
const SETTLE_MS = 30_000
/** How many devices join a node in a second. */
const JOINS_PER_SECOND = 50

/** Replaces the time of this process for good, so it must have nothing else to do. */
export async function simulate(options: SimulationOptions): Promise<Needed> {
  const { databaseUrl, progress } = options
  const users = await createUsers(databaseUrl, options.users, () => '')
  const deployment = await deploymentOf(databaseUrl)
  progress(`${users.length} users have accounts`)

  const clock = new VirtualClock()
  const network = new MemoryNetwork()
  const redis = new MemoryRedis(network)
  const watch = watchDatabase()
  const settling = createSettling(watch, network)
  const seen: Seen = { joined: 0, changes: 0, deltas: 0, heads: 0, acks: 0, faults: [], ms: 0 }
  clock.install()
  const { during } = settling
  const starting = Array.from({ length: options.nodes }, () =>
    startSimulatedNode({ databaseUrl, redis, during }),
  )
  const nodes = await clock.keepPace(Promise.all(starting))
  const people = users.map(({ user, cookie }) => ({ id: user.id, cookie: cookie!, devices: [] }))
  const simulation = { options, clock, network, redis, watch, seen, nodes, people, ...settling }

  const residentBefore = process.memoryUsage.rss()
  const devices = people.length * nodes.length
  const joinSeconds = await joinAll(simulation)
  progress(`${seen.joined} of ${devices} devices have joined`)
  if (options.otherNodes > 0) beatForOthers(options.otherNodes, deployment, redis, seen)
  const ofMix = await runMix(simulation)
  const residentMb = (process.memoryUsage.rss() - residentBefore) / 1024 ** 2
  await compareWithLog(simulation)
  // a copy, because a node that stops disconnects its devices
  const faults = [...seen.faults]
  await clock.keepPace(Promise.all(nodes.map((node) => node.stop())))
  const cpuMsPerJoin = (joinSeconds * 1_000) / devices
  return { devices, cpuMsPerJoin, residentMb, ...ofMix, faults }
}

/** All devices join, one person after the other. Returns the processor's seconds of the nodes. */
async function joinAll(simulation: Simulation): Promise<number> {
  const { clock, network, seen, nodes, people, settled } = simulation
  const cpu = measureCpu(() => seen.ms)
  for (const { cookie, devices } of people) {
    for (const { httpServer } of nodes)
      devices.push(new SimulatedDevice(network, httpServer, cookie, seen))
    await clock.pass(1_000 / JOINS_PER_SECOND, settled)
  }
  await clock.pass(SETTLE_MS, settled)
  const all = people.length * nodes.length
  if (seen.joined !== all) seen.faults.push(`${seen.joined} of ${all} devices have joined`)
  return cpu()
}

type NeededOfMix = Omit<Needed, 'devices' | 'cpuMsPerJoin' | 'residentMb' | 'faults'>

/** Lets people act for the minutes of the options. */
async function runMix(simulation: Simulation): Promise<NeededOfMix> {
  const { options, clock, redis, watch, seen, nodes, people, settled } = simulation
  // Everybody who will write has a conversation before the measurement begins.
  const creating = createConversations(people, nodes[0]!)
  const [writers] = await Promise.all([creating, clock.pass(SETTLE_MS, settled)])

  const { minutes } = options
  const end = clock.now + minutes * MINUTE_MS
  const before = { ...seen }
  const published = { ...redis.counts }
  watch.commands.clear()
  watch.lookUps.clear()
  const cpu = measureCpu(() => seen.ms)
  const isOver = () => clock.now > end
  const changes = startMix({ writers, nodes, random: randomOf(options.seed), isOver, seen })
  for (let minute = 1; minute <= minutes; minute++) {
    await clock.pass(MINUTE_MS, settled)
    options.progress(
      `minute ${minute} of ${minutes}: ${cpu().toFixed(1)} s of the processor so far`,
    )
  }
  return {
    seconds: minutes * 60,
    cpuSeconds: cpu(),
    changes: changes(),
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
  }
}

/** Notes as a fault each device that hasn't got everything. */
async function compareWithLog({ clock, seen, nodes, people, settled }: Simulation): Promise<void> {
  await clock.pass(SETTLE_MS, settled)
  const comparing = inBatches(people.length, async (index) => {
    const { id, devices } = people[index]!
    const { seq } = await nodes[0]!.log.head(id, 'conversations')
    for (const device of devices) {
      const has = device.cursor('conversations')
      if (has !== seq) seen.faults.push(`a device has ${has} of ${seq} changes`)
    }
  })
  await clock.keepPace(comparing)
}

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
