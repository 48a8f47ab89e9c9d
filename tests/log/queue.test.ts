// Commands of one user and topic are queued. If the database is away for one of them, it is away
// for all of them.
import { MongoNetworkError } from 'mongodb'
import { expect, test } from 'vitest'
import { KeyedQueue } from '../../realtime/log/keyed-queue.ts'

const away = () => new MongoNetworkError('no server')

/** A job that records that it ran, and ends when the test lets it. */
function job(ran: string[], name: string) {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  const run = () => {
    ran.push(name)
    return promise
  }
  return { run, end: () => resolve(name), fail: reject }
}

test('jobs of one key run one after the other, jobs of different keys run at the same time', async () => {
  const queue = new KeyedQueue()
  const ran: string[] = []
  const [a, b, c] = [job(ran, 'a'), job(ran, 'b'), job(ran, 'c')]
  const results = Promise.all([
    queue.run('one', a.run),
    queue.run('one', b.run),
    queue.run('other', c.run),
  ])
  await queue.run('third', () => Promise.resolve())
  expect(ran).toEqual(['a', 'c'])
  for (const { end } of [a, b, c]) end()
  expect(await results).toEqual(['a', 'b', 'c'])
  expect(ran).toEqual(['a', 'c', 'b'])
})

test('a job that fails does not affect those after it', async () => {
  const queue = new KeyedQueue()
  const first = queue.run('key', () => Promise.reject(new Error('its own')))
  const second = queue.run('key', () => Promise.resolve('done'))
  await expect(first).rejects.toThrow('its own')
  await expect(second).resolves.toBe('done')
})

test('when the database is away for one job, the jobs that wait for it fail at once, and later jobs are tried', async () => {
  const queue = new KeyedQueue()
  const ran: string[] = []
  const [first, elsewhere] = [job(ran, 'first'), job(ran, 'elsewhere')]
  const behind = ['second', 'third'].map((name) => job(ran, name))
  const results = [first, ...behind].map(({ run }) => queue.run('key', run))
  const other = queue.run('other key', elsewhere.run)
  const idle = queue.idle()
  const fault = away()
  first.fail(fault)
  const reasons = await Promise.allSettled(results)
  expect(reasons).toEqual(reasons.map(() => ({ status: 'rejected', reason: fault })))
  elsewhere.end()
  await expect(other).resolves.toBe('elsewhere')
  await idle
  await expect(queue.run('key', () => Promise.resolve('back'))).resolves.toBe('back')
  expect(ran).toEqual(['first', 'elsewhere'])
})
