// What the sockets of a user are answered counts like answers over HTTP.
import { expect, test } from 'vitest'
import { AnswerBudget } from '../../realtime/auth/answer-budget.ts'
import { EPOCH } from './scripted-log.ts'
import { startScriptedNode } from './scripted-node.ts'

/** Two large answers are one too many for the user. */
const startNode = () =>
  startScriptedNode({ also: { answerBudget: new AnswerBudget({ rate: 1, burst: 150_000 }) } })
const large = { data: { deleted_at: 'x'.repeat(100_000) } }
const range = { from: 1, to: 1 }

test('ranges of one user wait when they are too much, and nobody else’s do', async () => {
  await using node = await startNode()
  const [hers, his] = [node.sessions.signIn(), node.sessions.signIn()]
  for (const { user_id } of [hers, his]) node.log.append(user_id, large)
  const [device, other] = [
    await node.join('conversations', hers.cookie),
    await node.join('conversations', hers.cookie),
  ]
  for (let n = 0; n < 2; n++)
    expect(await device.request('range', range)).toMatchObject({ ok: true })
  const read = node.log.reads
  let isAnswered = false
  other.socket.emit('range', range, () => (isAnswered = true))
  const neighbour = await node.join('conversations', his.cookie)
  for (let n = 0; n < 2; n++)
    expect(await neighbour.request('range', range)).toMatchObject({ ok: true })
  expect(isAnswered).toBe(false)
  expect(node.log.reads).toBe(read + 2)
})

test('so do devices that come back, and small requests are answered meanwhile', async () => {
  await using node = await startNode()
  const { user_id, cookie } = node.sessions.signIn()
  node.log.append(user_id, large)
  const since = { epoch: EPOCH, seq: 0 }
  for (let n = 0; n < 2; n++) await node.join('conversations', cookie, { since })
  const read = node.log.reads
  const late = node.connect('conversations', cookie, { protocol: 1, since })
  const account = await node.join('account', cookie)
  expect(await account.request('viewing', { conversation_id: null })).toMatchObject({ ok: true })
  expect(late.eventNames()).not.toContain('sync')
  expect(node.log.reads).toBe(read)
})
