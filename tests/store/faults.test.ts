// What the driver throws while a database is unreachable, electing or restarting becomes
// `unavailable`, so that clients try again. No other error does.
import * as driver from 'mongodb'
import { expect, test } from 'vitest'
import { Fault } from '@lockstep/protocol/errors'
import { toServerFault } from '../../realtime/store/faults.ts'

const refused = (code: number, labels: string[] = []) =>
  new driver.MongoServerError({ message: 'refused', code, errorLabels: labels })
const named = (name: string) => Object.assign(new Error('of a pool'), { name })

test.each([
  ['a broken connection', new driver.MongoNetworkError('connection 1 closed')],
  ['no primary in time', new driver.MongoServerSelectionError('no primary', {} as never)],
  ['a member that left the set', new driver.MongoServerClosedError()],
  ['a primary that was replaced', new driver.MongoStalePrimaryError('newer primary')],
  ['a pool that was closed', named('MongoPoolClosedError')],
  ['a pool whose connections all wait', named('MongoWaitQueueTimeoutError')],
  [
    'a write to a broken pipe',
    Object.assign(new Error('write EPIPE'), { syscall: 'write', errno: -32 }),
  ],
  ['a stepdown', refused(11602)],
  ['a primary no more', refused(10107)],
  ['a cursor lost by a restart', refused(43)],
  ['an error that the server calls passing', refused(1, ['RetryableWriteError'])],
])('%s is unavailable', (_, error) => {
  expect(toServerFault(error)).toMatchObject({ code: 'unavailable', cause: error })
})

test.each([
  ['a mistake of ours', new TypeError('undefined is not a function')],
  ['a query that the server does not understand', refused(9)],
  ['rights that are missing', refused(13)],
])('%s is internal, its reason only in the cause', (_, error) => {
  const fault = toServerFault(error)
  expect(fault).toMatchObject({ code: 'internal', cause: error })
  expect(fault.message).not.toContain(error.message)
})

test('a fault stays as it is', () => {
  const fault = new Fault('not_found')
  expect(toServerFault(fault)).toBe(fault)
})
