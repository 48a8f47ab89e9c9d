// The leased range of one node, with leases and streams that do what the test says. Whatever the
// nodes believe about the lease, each device gets each change once and in order.
import { expect, test } from 'vitest'
import {
  LeasedRange,
  leasedRangeTimings,
  type HolderBeat,
  type LeasedRangeDeps,
} from '../../realtime/feed/leased-range.ts'
import { allBuckets, type TailRole } from '../../realtime/feed/tail-starter.ts'
import type { Tail } from '../../realtime/feed/tail.ts'
import { createLogger } from '../../realtime/observability/logger.ts'
import { deviceOn, follow, logOf, USER } from '../gateway/scripted-device.ts'
import { EPOCH, type ScriptedLog } from '../gateway/scripted-log.ts'

/** The cursor at which every device starts. */
const START = 2

interface Receiver {
  receiveBeat(beat: HolderBeat): void
  offerNewest(): void
}

/**
 * A node with one live device and one stream. Its beats and what it publishes reach the other
 * `nodes` at once.
 */
async function startScriptedNode(name: string, log: ScriptedLog, nodes: Receiver[]) {
  const run = deviceOn(log)
  const { device, emitted } = run
  void device.join({ epoch: EPOCH, seq: START })
  await run.readAll()
  let heldGeneration: number | undefined
  let freeGeneration: number | undefined
  let role: TailRole | undefined
  let comparisons = 0
  const tail: Tail = {
    isReady: () => true,
    restarts: () => 0,
    stop: () => Promise.resolve(void (role = undefined)),
  }
  const others = () => nodes.filter((other) => other !== node)
  const link: LeasedRangeDeps['link'] = {
    node: name,
    isConnected: () => true,
    aliveNodes: () => new Set(['a', 'b']),
    publisher: { lostCount: () => 0, flush: () => Promise.resolve() },
    broadcast: (_channel, beat) =>
      others().forEach((other) => other.receiveBeat(beat as HolderBeat)),
  }
  const range = new LeasedRange({
    range: allBuckets,
    link,
    lease: {
      heldGeneration: () => heldGeneration,
      acquire: () => Promise.resolve(freeGeneration && (heldGeneration = freeGeneration)),
      renew: () => Promise.resolve(true),
      release: () => Promise.resolve(),
    },
    mayHold: () => true,
    startTail: (_token, given) => {
      role = given
      return tail
    },
    readToken: () => Promise.resolve(undefined),
    keptGeneration: () => Promise.resolve(0),
    compareHeads: () => {
      comparisons++
      device.catchUpTo({ epoch: EPOCH, seq: log.changesOf(USER).length })
      return run.readAll()
    },
    logger: createLogger('silent'),
    timings: { ...leasedRangeTimings, checkMs: 0, beatMs: 0, beatTimeoutMs: 0 },
  })
  const offerNewest = () => device.offer(log.changesOf(USER).at(-1)!)
  const node = {
    range,
    receiveBeat: (beat: HolderBeat) => range.receiveBeat(beat),
    offerNewest,
    comparisons: () => comparisons,
    /**
     * From now on, the node believes that it holds the lease under this generation, or not at all.
     */
    believe: (generation: number | undefined) => (heldGeneration = generation),
    /** The lease is free, and the node acquires it under this generation. */
    async acquire(generation: number) {
      freeGeneration = generation
      await range.maintainLease()
      freeGeneration = undefined
      await range.maintainTail()
    },
    hasTail: () => role !== undefined,
    /** The stream of the node's tail shows the newest change. */
    showNewest() {
      const toAllNodes = role!.deliversToAllNodes()
      offerNewest()
      if (toAllNodes) others().forEach((other) => other.offerNewest())
    },
    /** The `seq` that the node's device has reached without a gap or a repetition. */
    async reachedSeq() {
      await run.readAll()
      return follow(emitted, { epoch: EPOCH, seq: START }).at?.seq
    },
  }
  nodes.push(node)
  return node
}

async function startTwoNodes() {
  const log = logOf(START)
  const nodes: Receiver[] = []
  const a = await startScriptedNode('a', log, nodes)
  const b = await startScriptedNode('b', log, nodes)
  return { log, a, b, reachedSeqs: async () => [await a.reachedSeq(), await b.reachedSeq()] }
}

test('when a lease is renewed too late, the other nodes compare heads for what was not published', async () => {
  const { log, a, b, reachedSeqs } = await startTwoNodes()
  await a.acquire(1)
  await a.range.maintainTail()
  const before = b.comparisons()
  await a.range.maintainTail()
  expect(b.comparisons()).toBe(before) // Consecutive beats mean that nothing was lost.
  a.believe(undefined)
  log.append(USER)
  a.showNewest()
  a.believe(1) // The same generation again, and the next beat follows the last one.
  await a.range.maintainTail()
  expect(await reachedSeqs()).toEqual([3, 3])
})

test('a new holder repairs what its predecessor lost, also for its own devices', async () => {
  const { log, a, b, reachedSeqs } = await startTwoNodes()
  await a.acquire(1)
  await a.range.maintainTail()
  a.believe(undefined)
  log.append(USER)
  a.showNewest()
  await b.acquire(2) // Before the next beat of the other node, which may never come.
  expect(await reachedSeqs()).toEqual([3, 3])
})

test('two nodes that both believe they hold the lease bring every change to every device once, in order', async () => {
  const { log, a, b, reachedSeqs } = await startTwoNodes()
  await a.acquire(1)
  await b.acquire(2)
  for (let n = 1; n <= 6; n++) {
    log.append(USER)
    if (n % 2 === 0) a.showNewest()
    b.showNewest()
    if (n % 2 === 1) a.showNewest()
    await a.range.maintainTail()
    await b.range.maintainTail()
  }
  expect([a.hasTail(), b.hasTail()]).toEqual([true, true])
  expect(await reachedSeqs()).toEqual([8, 8])
})

test('two nodes that both believe they do not hold the lease serve their own devices', async () => {
  const { log, a, b, reachedSeqs } = await startTwoNodes()
  await a.range.maintainTail()
  await b.acquire(1)
  b.believe(undefined)
  log.append(USER)
  a.showNewest()
  b.showNewest()
  expect(await reachedSeqs()).toEqual([3, 3])
})
