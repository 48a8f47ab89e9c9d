// The rate that one lease of the feed can carry, from the database to a node. The floor is the bulk
// insert of the same entries: nothing can be delivered faster than it is written.
import { Registry } from 'prom-client'
import { test } from 'vitest'
import { newId } from '@lockstep/protocol/ids'
import { startFeed } from '../../realtime/feed/feed.ts'
import { toEntry } from '../../realtime/log/entry.ts'
import { createLogger } from '../../realtime/observability/logger.ts'
import { openTestDatabase } from '../feed/inserted-changes.ts'
import { freshDatabase } from '../harness/database.ts'
import { eventually } from '../harness/eventually.ts'
import { row, type Rounds } from './table.ts'

const ROUNDS = 3
const CHANGES = 10_000
const TOGETHER = 1_000

test('the rate that one lease can carry', async () => {
  await using home = freshDatabase()
  await using connection = await openTestDatabase(home.url)
  const { database } = connection
  let seen = 0
  const feed = startFeed({
    database,
    deliver: () => seen++,
    compareHeads: () => Promise.resolve(),
    logger: createLogger('silent'),
    metrics: new Registry(),
  })
  await feed.ready
  const rounds = { floor: [] as number[], node: [] as number[] } satisfies Rounds
  for (let round = 0; round < ROUNDS; round++) {
    const entries = entriesOfOne()
    const began = performance.now()
    for (let at = 0; at < CHANGES; at += TOGETHER)
      await database.changes.insertMany(entries.slice(at, at + TOGETHER), { ordered: false })
    const inserted = performance.now() - began
    const all = () => seen >= CHANGES * (round + 1)
    await eventually(all, { within: 60_000, what: 'the tail has seen all' })
    const delivered = performance.now() - began
    rounds.floor.push((CHANGES / inserted) * 1_000)
    rounds.node.push((CHANGES / delivered) * 1_000)
  }
  await feed.stop()
  row({
    what: 'changes inserted at once and delivered by one lease',
    unit: '1/s',
    rounds,
    goal: { of: 'value', is: 'at least', limit: 10_000 },
  })
})

function entriesOfOne() {
  const caller = { user_id: newId(), session_id: null, device: 'bench' }
  const decision = {
    op: 'updated',
    entity_id: caller.user_id,
    version: 1,
    data: { patch: { text: 'x'.repeat(200) } },
  }
  return Array.from({ length: CHANGES }, (_, index) => {
    const position = { topic: 'preferences' as const, epoch: 'e', seq: index + 1, at: new Date() }
    return toEntry(caller, position, { mutation_id: newId(), fingerprint: '' }, decision)
  })
}
