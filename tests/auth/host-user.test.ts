// The usernames of new accounts for the host app's users.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Username } from '@lockstep/protocol/account'
import { usernameFrom } from '../../realtime/auth/host-user.ts'

test.each([
  [['Alice'], 'alice'],
  [['alice@example.org'], 'alice'],
  [['Zoë van der Berg'], 'zoe-van-der-berg'],
  [['--.Bob.--'], 'bob'],
  [['李', 'li@example.org', 'lee.w'], 'lee.w'],
  [['', '@', 'ab'], 'user'],
  [[], 'user'],
  [['x'.repeat(100)], 'x'.repeat(64)],
  [['__proto__'], '__proto__'],
])('%j becomes %s', (names, username) => {
  expect(usernameFrom(names)).toBe(username)
})

test('any names make a username that the contract allows', () => {
  fc.assert(
    fc.property(
      fc.array(fc.string({ unit: 'binary', maxLength: 80 }), { maxLength: 3 }),
      (names) => {
        const name = usernameFrom(names)
        expect(Username.parse(name)).toBe(name)
      },
    ),
  )
})
