// The feed on a real database. Changes are inserted as the log does, and must reach `deliver`.
import { Registry } from 'prom-client'
import { expect, test } from 'vitest'
import type { WireChange } from '@lockstep/protocol/change'
import { newId } from '@lockstep/protocol/ids'
import { startFeed, type FeedDeps } from '../../realtime/feed/feed.ts'
import { tailTimings } from '../../realtime/feed/tail.ts'
import { createLogger } from '../../realtime/observability/logger.ts'
import type { Database } from '../../realtime/store/database.ts'
import type { ResumeToken } from '../../realtime/store/documents.ts'
import {
  readDeployment,
  readResumeToken,
  renameDeployment,
  saveResumeToken,
} from '../../realtime/store/feed.ts'
import { freshDatabase } from '../harness/database.ts'
import { eventually } from '../harness/eventually.ts'
import { insertChange, openTestDatabase } from './inserted-changes.ts'

function feedOn(database: Database, also: Partial<FeedDeps> = {}) {
  const delivered: [string, WireChange][] = []
  const projected: string[] = []
  let comparisons = 0
  const metrics = new Registry()
  const feed = startFeed({
    database,
    deliver: (user_id, change) => delivered.push([user_id, change]),
    compareHeads: () => Promise.resolve(void comparisons++),
    project: (user_id, topic, seq) => projected.push(`${user_id}:${topic}:${seq}`),
    logger: createLogger('silent'),
    metrics,
    tailTimings: { ...tailTimings, saveMs: 0 },
    ...also,
  })
  return {
    feed,
    delivered,
    projected,
    seqs: () => delivered.map(([, { seq }]) => seq),
    comparisons: () => comparisons,
    failures: async () =>
      (await metrics.getSingleMetric('lockstep_feed_failures_total')!.get()).values,
    [Symbol.asyncDispose]: () => feed.stop(),
  }
}

test('each inserted change is delivered in order, in the form for devices, and offered for projection', async () => {
  await using home = freshDatabase()
  await using store = await openTestDatabase(home.url)
  await using run = feedOn(store.database)
  await run.feed.ready
  expect(run.feed.isHealthy()).toBe(true)
  const user_id = newId()
  for (let seq = 1; seq <= 20; seq++) await insertChange(store.database, user_id, seq)
  await eventually(() => run.delivered.length === 20)
  expect(run.seqs()).toEqual(Array.from({ length: 20 }, (_, i) => i + 1))
  expect(run.delivered[0]).toMatchObject([
    user_id,
    { topic: 'preferences', data: { patch: { theme: '1' } }, version: 2 },
  ])
  expect(run.delivered[0]![1]).not.toHaveProperty('user_id')
  expect(run.projected).toHaveLength(20)
  expect(run.comparisons()).toBe(1)
})

test('FEED-2 a node that starts again continues where it stopped', async () => {
  await using home = freshDatabase()
  await using store = await openTestDatabase(home.url)
  const user_id = newId()
  {
    await using run = feedOn(store.database)
    await run.feed.ready
    await insertChange(store.database, user_id, 1)
    await eventually(() => run.delivered.length === 1)
    const kept = await readResumeToken(store.database, '0/1')
    await eventually(
      async () =>
        JSON.stringify(await readResumeToken(store.database, '0/1')) !== JSON.stringify(kept),
    )
  }
  await insertChange(store.database, user_id, 2)
  await using again = feedOn(store.database)
  await eventually(() => again.seqs().includes(2))
})

test('FEED-3 after a dead token, a stream is opened from now and heads are compared', async () => {
  await using home = freshDatabase()
  await using store = await openTestDatabase(home.url)
  await saveResumeToken(store.database, '0/1', { _data: 'not a token' } as ResumeToken, 0)
  await using run = feedOn(store.database)
  await run.feed.ready
  expect(run.comparisons()).toBe(1)
  expect(await run.failures()).toMatchObject([{ labels: { reason: 'restarted' }, value: 1 }])
  await insertChange(store.database, newId(), 1)
  await eventually(() => run.delivered.length === 1)
})

test('FEED-3 after the collection was dropped, a stream is opened from now and heads are compared', async () => {
  await using home = freshDatabase()
  await using store = await openTestDatabase(home.url)
  await using run = feedOn(store.database)
  await run.feed.ready
  await insertChange(store.database, newId(), 1)
  await eventually(() => run.delivered.length === 1)
  await store.database.changes.drop()
  await eventually(() => run.comparisons() === 2)
  await insertChange(store.database, newId(), 1)
  await eventually(() => run.delivered.length === 2)
})

test('an earlier holder cannot replace the token that a later holder has saved', async () => {
  await using home = freshDatabase()
  await using store = await openTestDatabase(home.url)
  const token = (name: string) => ({ _data: name }) as ResumeToken
  await saveResumeToken(store.database, 'r', token('five'), 5)
  await saveResumeToken(store.database, 'r', token('four'), 4)
  expect(await readResumeToken(store.database, 'r')).toEqual(token('five'))
  await saveResumeToken(store.database, 'r', token('six'), 6)
  expect(await readResumeToken(store.database, 'r')).toEqual(token('six'))
})

test('a database has one deployment name and key, whichever node asks first, and a copy can get others', async () => {
  await using home = freshDatabase()
  await using other = freshDatabase()
  await using store = await openTestDatabase(home.url)
  await using stranger = await openTestDatabase(other.url)
  const first = await Promise.all(Array.from({ length: 5 }, () => readDeployment(store.database)))
  const { name, messageKey } = first[0]!
  expect(messageKey.length).toBeGreaterThan(40)
  for (const each of first) expect(each).toEqual({ name, messageKey })
  const differs = async ({ database }: typeof store) => {
    const read = await readDeployment(database)
    expect(read.name).not.toBe(name)
    expect(read.messageKey).not.toBe(messageKey)
  }
  await differs(stranger)
  await renameDeployment(store.database)
  await differs(store)
})
