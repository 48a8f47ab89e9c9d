import { scryptSync } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { createPasswords } from '../../realtime/auth/passwords.ts'

const cheap = 4
/** As earlier versions derived it. */
const EARLIER_KEY = scryptSync('correct horse', 'salt', 32, { N: 2 ** 10, r: 8, p: 1 }).toString(
  'base64url',
)

describe('passwords', () => {
  test('are verified against their hash, and no two hashes are equal', async () => {
    const passwords = createPasswords(cheap)
    const [one, two] = await Promise.all([
      passwords.hash('correct horse'),
      passwords.hash('correct horse'),
    ])
    expect(one).not.toBe(two)
    expect(one).not.toContain('correct')
    expect(await passwords.verify('correct horse', one)).toBe(true)
    expect(await passwords.verify('correct horse', two)).toBe(true)
    expect(await passwords.verify('correct horsf', one)).toBe(false)
    expect(await passwords.verify('', one)).toBe(false)
  })

  test('without a hash are never right', async () => {
    expect(await createPasswords(cheap).verify('correct horse', undefined)).toBe(false)
  })

  test('are equal however a keyboard composes their letters', async () => {
    const passwords = createPasswords(cheap)
    expect(await passwords.verify('cafe\u0301', await passwords.hash('caf\u00e9'))).toBe(true)
  })

  test('keep their cost in the hash, so that it can be raised', async () => {
    const before = createPasswords(cheap)
    const after = createPasswords(cheap + 1)
    const hash = await before.hash('correct horse')
    expect(await after.verify('correct horse', hash)).toBe(true)
    expect(after.outdated(hash)).toBe(true)
    expect(before.outdated(hash)).toBe(false)
    expect(before.outdated(await after.hash('correct horse'))).toBe(false)
  })

  test('have the default cost unless another is given', async () => {
    expect(await createPasswords().hash('correct horse')).toMatch(/^\$scrypt\$ln=15,r=8,p=3\$/)
  })

  test('are hashed a few at a time, and a flood is refused instead of queued without limit', async () => {
    const passwords = createPasswords(cheap)
    const flood = await Promise.allSettled(
      Array.from({ length: 600 }, () => passwords.hash('correct horse')),
    )
    const refused = flood.filter(({ status }) => status === 'rejected') as PromiseRejectedResult[]
    expect(refused.length).toBe(600 - 501)
    for (const { reason } of refused) expect(reason).toMatchObject({ code: 'unavailable' })
    expect(await passwords.verify('correct horse', await passwords.hash('correct horse'))).toBe(
      true,
    )
  })

  test('that are new wait in a queue of their own, apart from those that are compared', async () => {
    const passwords = createPasswords(cheap)
    const hash = await passwords.hash('correct horse')
    const signUps = Array.from({ length: 500 }, () => passwords.hash('correct horse'))
    let isLast = false
    void signUps.at(-1)!.then(() => (isLast = true))
    expect(await passwords.verify('correct horse', hash)).toBe(true)
    expect(isLast).toBe(false)
    await Promise.all(signUps)
  })

  test('hashed at an earlier cost of one pass are right, and hashed again', async () => {
    const passwords = createPasswords(10)
    const earlier =
      '$scrypt$ln=10,r=8,p=1$' + Buffer.from('salt').toString('base64url') + '$' + EARLIER_KEY
    expect(await passwords.verify('correct horse', earlier)).toBe(true)
    expect(passwords.outdated(earlier)).toBe(true)
  })
})

test('an unknown user waits as long as one with a wrong password', async () => {
  const passwords = createPasswords(12)
  const hash = await passwords.hash('correct horse')
  const quickest = async (stored: string | undefined) => {
    const times = []
    for (let i = 0; i < 7; i++) {
      const begin = performance.now()
      await passwords.verify('wrong horse', stored)
      times.push(performance.now() - begin)
    }
    return Math.min(...times)
  }
  const ratio = (await quickest(undefined)) / (await quickest(hash))
  expect(ratio).toBeGreaterThan(1 / 3)
  expect(ratio).toBeLessThan(3)
})
