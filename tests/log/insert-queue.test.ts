import { expect, test, vi } from 'vitest'
import { InsertQueue } from '../../realtime/log/insert-queue.ts'
import type { Inserted } from '../../realtime/store/changes.ts'
import type { ChangeDocument } from '../../realtime/store/documents.ts'

const entry = (seq: number, data = {}) => ({ _id: `u:t:${seq}`, seq, data }) as ChangeDocument

/** A queue whose batches are answered by hand. */
function scripted() {
  const sent: { seqs: number[]; answer: (outcomes?: Inserted[]) => void }[] = []
  const queue = new InsertQueue((entries) => {
    const { promise, resolve } = Promise.withResolvers<Inserted[]>()
    const seqs = entries.map(({ seq }) => seq)
    const all = entries.map((): Inserted => ({ is: 'inserted' }))
    sent.push({ seqs, answer: (outcomes = all) => resolve(outcomes) })
    return promise
  })
  return { queue, sent, batches: () => sent.map(({ seqs }) => seqs) }
}

test('an insert that nothing precedes is sent at once; those that come meanwhile travel together', async () => {
  const { queue, sent, batches } = scripted()
  const results = [1, 2, 3, 4].map((seq) => queue.insert(entry(seq)))
  expect(batches()).toEqual([[1]])
  sent[0]!.answer()
  await vi.waitFor(() => expect(batches()).toEqual([[1], [2, 3, 4]]))
  sent[1]!.answer()
  expect(await Promise.all(results)).toEqual([true, true, true, true])
})

test('each entry of a batch has its own outcome', async () => {
  const { queue, sent } = scripted()
  const results = [1, 2, 3, 4].map((seq) => queue.insert(entry(seq)))
  sent[0]!.answer()
  await vi.waitFor(() => expect(sent).toHaveLength(2))
  const error = new Error('away')
  sent[1]!.answer([{ is: 'taken' }, { is: 'inserted' }, { is: 'uncertain', error }])
  expect(await Promise.allSettled(results)).toEqual([
    { status: 'fulfilled', value: true },
    { status: 'fulfilled', value: false },
    { status: 'fulfilled', value: true },
    { status: 'rejected', reason: error },
  ])
})

test('a batch that hangs holds up nobody for longer than a moment', async () => {
  const { queue, sent, batches } = scripted()
  const hanging = queue.insert(entry(1))
  const next = queue.insert(entry(2))
  await vi.waitFor(() => expect(batches()).toEqual([[1], [2]]))
  sent[1]!.answer()
  expect(await next).toBe(true)
  sent[0]!.answer()
  expect(await hanging).toBe(true)
})

test('a large entry travels alone and holds up nobody', () => {
  const { queue, batches } = scripted()
  void queue.insert(entry(1, { text: 'x'.repeat(300 * 1024) }))
  void queue.insert(entry(2))
  void queue.insert(entry(3, { text: 'x'.repeat(300 * 1024) }))
  expect(batches()).toEqual([[1], [2], [3]])
})

test('a batch has a bounded number of bytes', async () => {
  const { queue, sent, batches } = scripted()
  for (let seq = 1; seq <= 6; seq++) void queue.insert(entry(seq, { text: 'x'.repeat(100_000) }))
  for (let batch = 0; batch < 3; batch++) {
    await vi.waitFor(() => expect(sent.length).toBeGreaterThan(batch))
    sent[batch]!.answer()
  }
  await vi.waitFor(() => expect(batches()).toEqual([[1], [2, 3], [4, 5], [6]]))
})
