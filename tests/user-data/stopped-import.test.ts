// The client of an import hangs up, or its node is killed: nobody sees half a conversation, and
// repeating the import imports everything once.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { newId } from '@lockstep/protocol/ids'
import { addressOf, throughAddress } from '../harness/database.ts'
import { spawnNode, startNode } from '../harness/node.ts'
import { signUp, type Person } from '../harness/person.ts'
import { sharedNodes } from '../harness/shared-node.ts'
import { Wire } from '../harness/wire.ts'

const shared = sharedNodes()
const AROUND = 8
const BEHIND = 60
let wire: Wire
/**
 * The database over a slow line: the import of a node there is far from its end when the large
 * conversation shows elsewhere.
 */
let slow: { url: string }
beforeAll(async () => {
  wire = await Wire.to(addressOf(shared.database.url))
  slow = { url: throughAddress(shared.database.url, wire.address) }
})
afterAll(() => wire?.[Symbol.asyncDispose]())

/** Small conversations, and among them a large one that needs two changes. */
function conversations() {
  const messages = (count: number, size: number) =>
    Array.from({ length: count }, (_, n) => ({
      id: newId(),
      role: 'user',
      content: `${n}`.padEnd(size, 'x'),
    }))
  const some = (length: number) =>
    Array.from({ length }, () => ({ id: newId(), title: 'S', messages: messages(2, 10) }))
  return [
    ...some(AROUND),
    { id: newId(), title: 'L', messages: messages(20, 200_000) },
    ...some(BEHIND),
  ]
}

/**
 * Sends the import to `url`, and calls `interrupt` when the first change of the large conversation
 * has been written. Returns what is stored after that.
 */
async function interrupted(
  alice: Person,
  data: ReturnType<typeof conversations>,
  url: string,
  interrupt: (stop: AbortController) => void,
) {
  await using device = await alice.device('conversations')
  await device.next('sync')
  wire.delay(5)
  const stop = new AbortController()
  const headers = { cookie: alice.cookie, 'content-type': 'application/json' }
  const body = JSON.stringify({ data, source: 'lockstep' })
  const sent = fetch(`${url}/users/me/import`, {
    method: 'POST',
    headers,
    body,
    signal: stop.signal,
  })
  sent.catch(() => undefined)
  await device.until('change', ({ entity_id }) => entity_id === data[AROUND]!.id)
  interrupt(stop)
  await expect(sent).rejects.toThrow()
  wire.delay(0)
}

async function repeated(alice: Person, data: ReturnType<typeof conversations>) {
  const result = await alice.ask('importMe', { body: { source: 'lockstep', data } })
  const items = []
  for (let cursor: string | undefined; ;) {
    const page = await alice.ask('listConversations', { query: { cursor, limit: 20 } })
    items.push(...page.items)
    if (page.next_cursor === null) break
    cursor = page.next_cursor
  }
  const placeOf = ({ id, count }: { id: string; count: number }) => `${id} ${count}`
  const expected = data
    .map(({ id, messages }) => placeOf({ id, count: messages.length }))
    .toSorted()
  expect(items.map(({ id, message_count: count }) => placeOf({ id, count })).toSorted()).toEqual(
    expected,
  )
  expect(items.every(({ metadata }) => Object.keys(metadata).length === 0)).toBe(true)
  return result
}

test('an import whose client hangs up ends after the current conversation, and repeating it imports the rest', async () => {
  await using node = await startNode(slow)
  const alice = await signUp(shared.node, 'alice')
  const data = conversations()
  await interrupted(alice, data, node.url, (stop) => stop.abort())
  const { created, skipped, failed } = await repeated(alice.at(node), data)
  expect({ all: created + skipped, failed }).toEqual({ all: data.length, failed: [] })
  expect(created, 'the one that was hung up on stopped').toBeGreaterThan(0)
})

test('an import whose node is killed leaves no half conversation in a list, and repeating it on another node completes it', async () => {
  await using doomed = await spawnNode(slow)
  const alice = await signUp(shared.node, 'alice')
  const data = conversations()
  await interrupted(alice, data, doomed.url, () => void doomed.process.kill())
  const before = await alice.ask('listConversations', { query: { limit: 100 } })
  for (const { title, message_count } of before.items)
    expect(message_count).toBe(title === 'L' ? 20 : 2)
  const { created, skipped } = await repeated(alice, data)
  expect(created + skipped).toBe(data.length)
  expect(skipped).toBeGreaterThanOrEqual(AROUND)
})
