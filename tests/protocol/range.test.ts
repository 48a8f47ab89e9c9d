import { beforeAll, describe, expect, test } from 'vitest'
import type { RangeAnswer } from '@lockstep/protocol/sync'
import type { Device } from '../harness/device.ts'
import { signUp, type Person } from '../harness/person.ts'
import { sharedNodes } from '../harness/shared-node.ts'

const shared = sharedNodes()
/** More changes than fit into one range. */
const HEAD = 510
const AT_ONCE = 170
let alice: Person
let device: Device
beforeAll(async () => {
  alice = await signUp(shared.node, 'alice')
  device = await alice.device('preferences')
  // Each device sends as many commands as one device may send at once.
  for (let n = 1; n <= HEAD; n += AT_ONCE) {
    await using writer = await alice.device('preferences')
    const patches = Array.from({ length: AT_ONCE }, (_, index) => ({ n: n + index }))
    await Promise.all(patches.map((patch) => writer.done('update', { patch })))
  }
  return () => device.close()
})

const range = async (from: number, to: number, by = device): Promise<RangeAnswer> => {
  const ack = await by.range(from, to)
  if (!ack.ok) throw new Error(JSON.stringify(ack.error))
  return ack.data
}
/** The acks for a whole range: each request continues after the last change while there is more. */
const whole = async (from: number, to: number, by = device): Promise<RangeAnswer[]> => {
  const answer = await range(from, to, by)
  return answer.more ? [answer, ...(await whole(answer.changes.at(-1)!.seq + 1, to, by))] : [answer]
}
const seqs = ({ changes }: RangeAnswer) => changes.map(({ seq }) => seq)
const all = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, index) => from + index)

test('GATE-10: a range includes both its ends, in order', async () => {
  const answer = await range(3, 7)
  expect(seqs(answer)).toEqual([3, 4, 5, 6, 7])
  expect(answer).toMatchObject({ more: false, reset: false })
  expect(seqs(await range(9, 9))).toEqual([9])
})

test('its changes equal those that arrived live', async () => {
  await device.until('change', ({ seq }) => seq === HEAD)
  const live = device.inbox.all('change')
  const asked = [...(await whole(1, 500)), ...(await whole(501, HEAD))]
  expect(asked.flatMap(({ changes }) => changes)).toEqual(live)
})

test('500 changes may be requested at once; an ack has as many as fit into it', async () => {
  const pieces = await whole(1, 500)
  expect(pieces.flatMap(seqs)).toEqual(all(1, 500))
  expect(pieces[0]!.changes.length).toBeGreaterThan(100)
})

test('a range that reaches beyond the head ends at the head', async () => {
  const answer = await range(HEAD - 2, HEAD + 100)
  expect(seqs(answer)).toEqual([HEAD - 2, HEAD - 1, HEAD])
  expect(answer).toMatchObject({ more: false, reset: false })
})

test('a range that starts right after the head is empty; one that starts later is a reset', async () => {
  expect(await range(HEAD + 1, HEAD + 1)).toEqual({ changes: [], more: false, reset: false })
  expect(await range(HEAD + 2, HEAD + 3)).toMatchObject({ changes: [], reset: true })
})

test('large changes come in several acks of at least one change, with more until the last', async () => {
  const content = 'x'.repeat(250_000)
  for (let i = 0; i < 4; i++)
    await alice.ask('createConversation', { body: { messages: [{ role: 'user', content }] } })
  await using other = await alice.device('conversations')
  const pieces = await whole(1, 4, other)
  expect(pieces.map(({ more }) => more)).toEqual([true, true, true, false])
  expect(pieces.flatMap(seqs)).toEqual(all(1, 4))
})

describe('a malformed range', () => {
  test.each([
    [1, 501],
    [0, 5],
    [-1, 5],
    [5, 4],
    [1.5, 2],
    ['1', '2'],
    [1, Number.MAX_SAFE_INTEGER],
    [null, 2],
    [{ $gt: 0 }, 2],
  ])('is invalid: %j to %j', async (from, to) => {
    const ack = await device.send('range', { from, to })
    expect(ack).toMatchObject({ ok: false, error: { code: 'invalid', status: 422 } })
  })

  test('is invalid with an unknown field and without a payload', async () => {
    for (const args of [[{ from: 1, to: 2, $where: '1' }], [], [1, 2], [null], ['1-2']])
      expect(await device.send('range', ...args)).toMatchObject({
        ok: false,
        error: { code: 'invalid' },
      })
  })
})
