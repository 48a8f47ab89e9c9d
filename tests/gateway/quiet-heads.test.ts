// A quiet device costs nearly nothing, and whatever is lost is found no later than when every topic
// was looked up every 25 s.
import { expect, test } from 'vitest'
import type { Cursor } from '@lockstep/protocol/cursor'
import type { ConnectionRegistry } from '../../realtime/gateway/connection-registry.ts'
import { startHeadComparison } from '../../realtime/gateway/head-comparison.ts'
import { gatewaySettings } from '../../realtime/gateway/settings.ts'
import { createLogger } from '../../realtime/observability/logger.ts'
import { eventually } from '../harness/eventually.ts'
import { startScriptedCluster, untilSubscribed, type ClusterNode } from './scripted-cluster.ts'
import { startScriptedNode } from './scripted-node.ts'

const { timings } = gatewaySettings
const NEVER = 2 ** 31 - 1
/** How soon a loss was found when every topic was looked up at one interval (ms). */
const FORMER_HEAL_MS = 25_000 + timings.grace

test('10,000 quiet tabs with four topics each cost at most 100 look-ups a second', async () => {
  const [keys, scale] = [4_000, 1_000]
  let lookUps = 0
  const none = (asked: readonly string[]) => {
    lookUps += asked.length
    return Promise.resolve(new Map<string, Cursor>())
  }
  const twice = (asked: readonly string[]) => {
    lookUps += asked.length
    return none(asked)
  }
  const registry = {
    keys: () => Array.from({ length: keys }, (_, i) => `user-${i}:conversations`),
    withKey: () => new Set(),
  } as unknown as ConnectionRegistry
  const began = performance.now()
  const comparison = startHeadComparison({
    registry,
    log: { heads: twice, projectedHeads: none },
    logger: createLogger('silent'),
    timings: {
      ...timings,
      head: timings.head / scale,
      inUse: timings.inUse / scale,
      quietHead: timings.quietHead / scale,
    },
    pause: () => Promise.resolve(),
    onDeviceBehind: () => undefined,
  })
  // the first batch of the third round: two rounds have taken their time
  await eventually(() => lookUps > 2 * keys)
  comparison.stop()
  const heads = ((lookUps - 500) / keys) * (40_000 / ((performance.now() - began) / 1_000) / scale)
  const sessions = 10_000 / (timings.sessions / 1_000)
  expect(heads + sessions).toBeLessThanOrEqual(100)
})

test('GATE-5 a topic in use gets heads at the short interval, a quiet one at the long interval', async () => {
  await using node = await startScriptedNode({
    settings: { timings: { head: 100, quietHead: 60_000 } },
  })
  const [busy, quiet] = [node.sessions.signIn(), node.sessions.signIn()]
  const [used, unused] = [
    await node.join('conversations', busy.cookie),
    await node.join('conversations', quiet.cookie),
  ]
  node.gateway.deliver(busy.user_id, node.log.append(busy.user_id))
  for (let beat = 0; beat < 5; beat++) expect((await used.next('head')).seq).toBe(1)
  expect(unused.eventNames()).toEqual(['sync'])
})

test('GATE-5 a change that was appended here is found although the feed lost it', async () => {
  expect(timings.head + timings.grace).toBeLessThanOrEqual(FORMER_HEAL_MS)
  await using node = await startScriptedNode({
    settings: { timings: { head: 100, quietHead: NEVER } },
  })
  const { cookie, user_id } = node.sessions.signIn()
  const client = await node.join('conversations', cookie)
  const lost = node.log.append(user_id)
  node.gateway.noteAppended(user_id, 'conversations')
  expect((await client.next('sync')).changes).toEqual([lost])
})

/** From now on, Redis drops what the node publishes to users, and confirms it all the same. */
function dropsSilently(node: ClusterNode, isDropped: (payload: string) => boolean) {
  const { publisher } = node.link
  const send = publisher.spublish.bind(publisher)
  publisher.spublish = (channel, payload) =>
    isDropped(String(payload)) ? Promise.resolve(1) : send(channel, payload)
}

test('GATE-5 a change that Redis drops without an error reaches its devices no later than before', async () => {
  expect(timings.announce + 2 * timings.grace).toBeLessThan(FORMER_HEAL_MS)
  const announce = 300
  await using cluster = await startScriptedCluster(2, {
    settings: { timings: { head: NEVER, quietHead: NEVER, announce } },
    // On a busy machine, a late echo would look like a lost Redis, after which all heads are read.
    linkTimings: { echoTimeoutMs: 60_000, nodeTimeoutMs: 60_000 },
  })
  const [holder, other] = cluster.nodes
  dropsSilently(holder, (payload) => payload.includes('"deleted_at"'))
  const { cookie, user_id } = cluster.sessions.signIn()
  const client = await other.join('conversations', cookie)
  await eventually(() => other.link.aliveNodes().size === 2)
  // When its subscription is confirmed, a node reads the head once more. The next join waits for
  // that read, so it can't find what is lost below.
  await untilSubscribed(holder, client, user_id)
  await other.join('conversations', cluster.sessions.signIn().cookie)
  const lost = cluster.log.append(user_id)
  const began = performance.now()
  holder.gateway.deliver(user_id, lost)
  expect((await client.next('sync')).changes).toEqual([lost])
  expect(performance.now() - began).toBeGreaterThanOrEqual(announce - 50)
  expect(await other.metric('lockstep_device_behind_total')).toBe(1)
})
