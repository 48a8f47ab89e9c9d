// Recovery finds what dead nodes left running and ends it once, however many nodes sweep and
// however often.
import { expect, onTestFinished, test } from 'vitest'
import { newId } from '@lockstep/protocol/ids'
import { startRecovery } from '../../realtime/agents/recovery.ts'
import { replyTimings } from '../../realtime/agents/timings.ts'
import { createRuns } from '../../realtime/commands/agents.ts'
import { createConversations } from '../../realtime/commands/conversations.ts'
import { byServer, createReplies } from '../../realtime/commands/replies.ts'
import { createLogger } from '../../realtime/observability/logger.ts'
import { createLog } from '../../realtime/log/log.ts'
import { ensureIndexes, openDatabase } from '../../realtime/store/database.ts'
import { takeLease } from '../../realtime/store/leases.ts'
import { freshDatabase } from '../harness/database.ts'
import { eventually } from '../harness/eventually.ts'

const logger = createLogger('silent')

/** A database with one user and one conversation. No recovery runs yet. */
async function node() {
  const fresh = freshDatabase()
  const database = await openDatabase(fresh.url)
  await ensureIndexes(database)
  const log = createLog(database, logger)
  onTestFinished(async () => {
    await log.stop()
    await database.close()
    await fresh[Symbol.asyncDispose]()
  })
  const user_id = newId()
  await log.create(user_id)
  const conversations = createConversations(database, log)
  const replies = createReplies(database, log)
  const runs = createRuns(database, log)
  const converse = async () =>
    (await conversations.change('create', byServer(user_id, newId()), {})).data!.id
  const conversation_id = await converse()

  /** A reply with this text that nobody produces. Its lease expires in `leaseMs`. */
  async function abandoned(text: string, leaseMs: number, where = conversation_id) {
    const address = { user_id, conversation_id: where, message_id: newId(), run_id: newId() }
    if (leaseMs > 0) await lease(address, leaseMs)
    await replies.begin(byServer(user_id, newId()), address, {
      ...address,
      agent: 'demo',
      model: 'demo',
    })
    await replies.extend(address, { offset: 0, text })
    return address
  }
  const lease = (
    address: { user_id: string; conversation_id: string; message_id: string; run_id: string },
    ms: number,
  ) => takeLease(database, { _id: `${address.user_id}:${newId()}`, ...address, owner: newId() }, ms)

  function sweep(count: number, ms: { sweepMs?: number; straySweepMs?: number }) {
    const settings = { ...replyTimings, sweepMs: 60_000, straySweepMs: 60_000, ...ms }
    for (let n = 0; n < count; n++) {
      const recovery = startRecovery({
        database,
        replies,
        runs,
        owner: newId(),
        timings: settings,
        logger,
      })
      onTestFinished(() => recovery.stop())
    }
  }
  const message = async (message_id: string, where = conversation_id) =>
    (await conversations.get(user_id, where)).messages.find(({ id }) => id === message_id)!
  const entries = (op: string) => database.changes.countDocuments({ user_id, op })
  const leases = () => database.replies.countDocuments({})
  return {
    database,
    user_id,
    conversation_id,
    converse,
    runs,
    abandoned,
    lease,
    sweep,
    message,
    entries,
    leases,
  }
}

test('many nodes that sweep at once end an abandoned reply once and keep its text', async () => {
  const { abandoned, sweep, message, entries, leases } = await node()
  const { message_id } = await abandoned('Half a', 1)
  sweep(4, { sweepMs: 5 })
  await eventually(async () => (await message(message_id)).status === 'interrupted')
  await eventually(async () => (await leases()) === 0)
  expect(await message(message_id)).toMatchObject({
    content: 'Half a',
    metadata: { reason_code: 'lost' },
  })
  expect(await entries('finished')).toBe(1)
})

test('a reply whose lease hasn’t expired is left alone', async () => {
  const { abandoned, converse, sweep, message } = await node()
  const [second, third] = [await converse(), await converse()]
  const held = await abandoned('Half a', 60_000)
  const expired = await abandoned('Half b', 1, second)
  const stray = await abandoned('Half c', 0, third)
  sweep(2, { sweepMs: 5, straySweepMs: 5 })
  await eventually(async () => (await message(expired.message_id, second)).status === 'interrupted')
  await eventually(async () => (await message(stray.message_id, third)).status === 'interrupted')
  expect(await message(held.message_id)).toMatchObject({ status: 'streaming' })
})

test('a reply or run that streams without a lease is ended too', async () => {
  const { abandoned, sweep, message } = await node()
  const { message_id } = await abandoned('Half a', 0)
  sweep(2, { straySweepMs: 5 })
  await eventually(async () => (await message(message_id)).status === 'interrupted')
})

test.each(['complete', 'interrupted'] as const)(
  'a message is completed from its run: %s',
  async (status) => {
    const { user_id, conversation_id, runs, abandoned, database, sweep, message, leases } =
      await node()
    const address = await abandoned('Half', 1)
    const payload = { agent: 'demo', input: 'Hi', conversation_id }
    const start = { ...payload, id: address.run_id, model: 'demo', message_id: address.message_id }
    await runs.begin(byServer(user_id, newId()), payload, start)
    await runs.extend(user_id, address.run_id, { offset: 0, text: 'Half and the rest' })
    if (status === 'complete')
      await runs.finish(user_id, address.run_id, { status, metadata: { usage: { n: 1 } } })
    expect(await database.replies.countDocuments({})).toBe(1)
    sweep(3, { sweepMs: 5 })
    await eventually(async () => (await leases()) === 0)
    expect(await message(address.message_id)).toMatchObject({
      status,
      content: 'Half and the rest',
    })
    expect(await runs.get(user_id, address.run_id)).toMatchObject({
      status,
      output: 'Half and the rest',
    })
  },
)

test('a lease of a reply that never began or is gone is removed', async () => {
  const { user_id, conversation_id, lease, sweep, leases, entries } = await node()
  await lease({ user_id, conversation_id, message_id: newId(), run_id: newId() }, 1)
  await lease(
    { user_id: newId(), conversation_id: newId(), message_id: newId(), run_id: newId() },
    1,
  )
  sweep(1, { sweepMs: 5 })
  await eventually(async () => (await leases()) === 0)
  expect(await entries('finished')).toBe(0)
})
