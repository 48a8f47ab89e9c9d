// Two nodes with two Redis, as people on both nodes see them when one of the two is lost.
import { expect, test } from 'vitest'
import { shareOf } from '../../realtime/log/buckets.ts'
import { freshDatabase } from '../harness/database.ts'
import type { Device } from '../harness/device.ts'
import { eventually } from '../harness/eventually.ts'
import { startNode, type TestNode } from '../harness/node.ts'
import { signUp, type Person } from '../harness/person.ts'
import { TestRedis } from '../harness/redis.ts'
import { readMetric } from './cluster.ts'

interface Pair {
  writer: Person
  conversation_id: string
  /** On the other node. */
  reader: Device
}

/** A person whose messages go through this one of two Redis, with a device on each node. */
async function pairOf(index: number, here: TestNode, there: TestNode): Promise<Pair> {
  for (let n = 0; ; n++) {
    const writer = await signUp(here, `person-${index}-${n}`)
    if (shareOf(writer.user.id, 2) !== index) continue
    const { id } = await writer.ask('createConversation', { body: {} })
    const reader = await writer.at(there).device('conversations')
    return { writer, conversation_id: id, reader }
  }
}

/** Writes until the reader has a message, because nodes may still be looking for each other. */
const arrives = ({ writer, conversation_id, reader }: Pair, content: string) =>
  eventually(async () => {
    await writer.ask('appendMessages', {
      params: { id: conversation_id },
      body: { messages: [{ role: 'user', content }] },
    })
    await eventually(() => expect(reader.packets.join()).toContain(content), { within: 8_000 })
    return true
  })

test('people whose Redis is lost still see each other’s changes, and the others notice nothing', async () => {
  await using stack = new AsyncDisposableStack()
  const database = stack.use(freshDatabase())
  const [first, second] = [stack.use(await TestRedis.start()), stack.use(await TestRedis.start())]
  const settings = { redisUrls: [first.url, second.url] }
  const here = stack.use(await startNode(database, settings))
  const there = stack.use(await startNode(database, settings))
  const pairs = [await pairOf(0, here, there), await pairOf(1, here, there)] as const
  for (const pair of pairs) await arrives(pair, 'before the loss')

  await second.kill()
  await eventually(async () => (await readMetric(there, 'lockstep_redis_heard')) === 1)
  for (const pair of pairs) await arrives(pair, 'during the loss')
  // each node tails for the lost half; one of them tails for the other half
  await eventually(async () => {
    const tails = [here, there].map((node) => readMetric(node, 'lockstep_feed_tails'))
    return (await Promise.all(tails)).reduce((sum, open) => sum + open, 0) === 3
  })

  await second.restart()
  await eventually(async () => (await readMetric(there, 'lockstep_redis_heard')) === 2)
  for (const pair of pairs) await arrives(pair, 'after the loss')
  for (const { writer, conversation_id, reader } of pairs) {
    const { messages } = await writer.ask('getConversation', { params: { id: conversation_id } })
    const seen = reader.packets.join()
    for (const { id } of messages) expect(seen.split(`"id":"${id}"`)).toHaveLength(2)
  }
})
