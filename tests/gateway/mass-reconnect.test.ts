// After the restart of a node, all devices reconnect at the same moment.
import { expect, test } from 'vitest'
import { startScriptedNode } from './scripted-node.ts'

const PEOPLE = 100
const DEVICES = 1_000
const MISSED = 5
const SYNC_TIMEOUT_MS = 50_000

test('a thousand devices that come back at once are all caught up, with a bounded number of reads at a time', async () => {
  await using node = await startScriptedNode()
  let reading = 0
  let mostReading = 0
  const { range } = node.log
  node.log.range = async (...asked) => {
    mostReading = Math.max(mostReading, ++reading)
    return range.apply(node.log, asked).finally(() => reading--)
  }
  const people = Array.from({ length: PEOPLE }, () => node.sessions.signIn())
  for (const { user_id } of people) for (let i = 0; i < MISSED; i++) node.log.append(user_id)
  const since = { epoch: node.log.epoch, seq: 0 }

  const devices = await Promise.all(
    Array.from({ length: DEVICES }, async (_, i) => {
      const client = node.connect('conversations', people[i % PEOPLE]!.cookie, {
        protocol: 1,
        since,
      })
      return client.next('sync', SYNC_TIMEOUT_MS)
    }),
  )
  for (const { changes, more } of devices) {
    expect(changes.map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5])
    expect(more).toBe(false)
  }
  expect(mostReading).toBeLessThanOrEqual(16)
  expect(await node.metric('lockstep_backlog_bytes')).toBe(0)
}, 60_000)
