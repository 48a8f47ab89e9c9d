import { describe, expect, test } from 'vitest'
import { newId } from '@lockstep/protocol/ids'
import {
  checkLockstepUser,
  etagOf,
  ifVersionOf,
  mutationIdOf,
} from '../../realtime/http/request-headers.ts'

describe('If-Match', () => {
  test.each(['7', '"7"', 'W/"7"', 'W/7', ' "7" '])('%s is version 7', (header) => {
    expect(ifVersionOf(header)).toBe(7)
  })

  test('takes the ETag that was sent', () => {
    expect(ifVersionOf(etagOf(12))).toBe(12)
  })

  test('a missing header and * mean any version', () => {
    expect(ifVersionOf(undefined)).toBeUndefined()
    expect(ifVersionOf('*')).toBeUndefined()
  })

  test.each([
    '',
    '0',
    '"0"',
    '-1',
    '1.5',
    'abc',
    '"a"',
    '"1',
    '1"',
    'w/"1"',
    '"1", "2"',
    '9'.repeat(30),
    '"1"x',
  ])('%s is invalid', (header) => {
    expect(() => ifVersionOf(header)).toThrow(expect.objectContaining({ code: 'invalid' }))
  })
})

describe('Idempotency-Key', () => {
  test('is the mutation_id, in lower case', () => {
    const id = newId()
    expect(mutationIdOf(id.toUpperCase())).toBe(id)
  })

  test('a missing header makes a new id each time', () => {
    expect(mutationIdOf(undefined)).not.toBe(mutationIdOf(undefined))
  })

  test.each(['', 'abc', `{${newId()}}`, `${newId()}, ${newId()}`])('%s is invalid', (header) => {
    expect(() => mutationIdOf(header)).toThrow(expect.objectContaining({ code: 'invalid' }))
  })
})

test('Lockstep-User must be the signed-in user', () => {
  const id = newId()
  checkLockstepUser(undefined, id)
  checkLockstepUser(id, id)
  checkLockstepUser(id.toUpperCase(), id)
  for (const other of [newId(), '', 'x']) {
    expect(() => checkLockstepUser(other, id)).toThrow(
      expect.objectContaining({ code: 'unauthenticated' }),
    )
  }
})
