// A charge's doubts about its lease, with leases and streams that do as the test says: whoever believes whatever, each device gets each
// change once, in order.
import { expect, test } from 'vitest'
import {
  LeasedRange,
  leasedRangeTimings,
  type HolderBeat,
} from '../../realtime/feed/leased-range.ts'
import type { Tail } from '../../realtime/feed/tail.ts'
import type { TailRole } from '../../realtime/feed/tails.ts'
import { createLogger } from '../../realtime/observability/logger.ts'
import type { Link } from '../../realtime/redis/link.ts'
import { deviceOn, follow, logOf, USER } from '../gateway/scripted-device.ts'
import { EPOCH, type ScriptedLog } from '../gateway/scripted-log.ts'

const START = 2

/** A node with one device that is live, and a stream. Its beats and what it publishes go to the others of `nodes` at once. */
async function nodeOf(
  name: string,
  log: ScriptedLog,
  nodes: { heard(beat: HolderBeat): void; offer(): void }[],
) {
  const run = deviceOn(log)
  const { device, emitted } = run
  void device.join({ epoch: EPOCH, seq: START })
  await run.readAll()
  let held: number | undefined
  let free = 0
  let mandate: TailRole | undefined
  let comparisons = 0
  const tail: Tail = {
    ready: () => true,
    restarts: () => 0,
    stop: () => Promise.resolve(void (mandate = undefined)),
  }
  const others = () => nodes.filter((other) => other !== node)
  const charge = new LeasedRange({
    range: { name: '0/1', buckets: undefined },
    link: {
      node: name,
      hears: () => true,
      nodes: () => new Set(['a', 'b']),
      publishing: { lost: () => 0, settled: () => Promise.resolve() },
      tell: (_channel: string, beat: HolderBeat) => others().forEach((other) => other.heard(beat)),
    } as unknown as Link,
    lease: {
      held: () => held,
      acquire: () => Promise.resolve(free > 0 ? (held = free) : undefined),
      renew: () => Promise.resolve(true),
      release: () => Promise.resolve(),
    },
    mayHold: () => true,
    start: (_token, given) => {
      mandate = given
      return tail
    },
    readToken: () => Promise.resolve(undefined),
    keptGeneration: () => Promise.resolve(0),
    compareHeads: () => {
      comparisons++
      device.compare({ epoch: EPOCH, seq: log.of(USER).length })
      return run.readAll()
    },
    logger: createLogger('silent'),
    timings: { ...leasedRangeTimings, tick: 0, beat: 0, deaf: 0 },
  })
  const offer = () => device.offer(log.of(USER).at(-1)!)
  const node = {
    charge,
    heard: (beat: HolderBeat) => charge.heard(beat),
    offer,
    comparisons: () => comparisons,
    believe: (generation: number | undefined) => (held = generation),
    /** The lease can be had, under this generation. */
    async takes(generation: number) {
      free = generation
      await charge.maintainLease()
      free = 0
      await charge.maintainTail()
    },
    tails: () => mandate !== undefined,
    /** Its stream shows the newest change. */
    sees() {
      const everywhere = mandate!.everywhere()
      offer()
      if (everywhere) others().forEach((other) => other.offer())
    },
    /** How far its device has followed without a gap or a repetition. */
    async reached() {
      await run.readAll()
      return follow(emitted, { epoch: EPOCH, seq: START }).at?.seq
    },
  }
  nodes.push(node)
  return node
}

async function twoNodes() {
  const log = logOf(START)
  const nodes: { heard(beat: HolderBeat): void; offer(): void }[] = []
  const [a, b] = [await nodeOf('a', log, nodes), await nodeOf('b', log, nodes)]
  return { log, a, b, reached: async () => [await a.reached(), await b.reached()] }
}

test('a lease that is renewed too late: what was not published meanwhile makes the others compare heads', async () => {
  const { log, a, b, reached } = await twoNodes()
  await a.takes(1)
  await a.charge.maintainTail()
  const before = b.comparisons()
  await a.charge.maintainTail()
  expect(b.comparisons()).toBe(before) // beats that follow each other say that all is well
  a.believe(undefined)
  log.append(USER)
  a.sees()
  a.believe(1) // the same generation, and the beat after the last
  await a.charge.maintainTail()
  expect(await reached()).toEqual([3, 3])
})

test('a new holder makes good what its predecessor lost, for its own devices too', async () => {
  const { log, a, b, reached } = await twoNodes()
  await a.takes(1)
  await a.charge.maintainTail()
  a.believe(undefined)
  log.append(USER)
  a.sees()
  await b.takes(2) // before the other's next beat, which may never come
  expect(await reached()).toEqual([3, 3])
})

test('two that both believe to hold the lease hand every change to every device once, in order', async () => {
  const { log, a, b, reached } = await twoNodes()
  await a.takes(1)
  await b.takes(2)
  for (let n = 1; n <= 6; n++) {
    log.append(USER)
    if (n % 2 === 0) a.sees()
    b.sees()
    if (n % 2 === 1) a.sees()
    await a.charge.maintainTail()
    await b.charge.maintainTail()
  }
  expect([a.tails(), b.tails()]).toEqual([true, true])
  expect(await reached()).toEqual([8, 8])
})

test('two that both believe not to hold it serve their own devices', async () => {
  const { log, a, b, reached } = await twoNodes()
  await a.charge.maintainTail()
  await b.takes(1)
  b.believe(undefined)
  log.append(USER)
  a.sees()
  b.sees()
  expect(await reached()).toEqual([3, 3])
})
