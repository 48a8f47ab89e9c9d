import { describe, expect, test } from 'vitest'
import { Fault } from '@lockstep/protocol/errors'
import { NetworkBuckets } from '../../realtime/auth/network-buckets.ts'
import { createRateLimits, networkOf, SITE_SHARES } from '../../realtime/auth/rate-limits.ts'

const rules = {
  guesses: { points: 3, seconds: 60 },
  guessesPerAccount: { points: 4, seconds: 60 },
  guessesPerAddress: { points: 6, seconds: 60 },
  signUps: { points: 2, seconds: 60 },
}
const wrong = () => Promise.reject(new Fault('invalid_credentials'))
const refused = { code: 'invalid_credentials' }
const right = () => Promise.resolve('in')
const limited = { code: 'rate_limited', extra: { retry_after_ms: expect.any(Number) as number } }

describe('guessing passwords', () => {
  test('ends after a few wrong ones, for that account and address only', async () => {
    const limits = createRateLimits(rules)
    for (let i = 0; i < 3; i++)
      await expect(limits.checkPassword('alice', '10.0.0.1', wrong)).rejects.toMatchObject({
        code: 'invalid_credentials',
      })
    await expect(limits.checkPassword('alice', '10.0.0.1', right)).rejects.toMatchObject(limited)
    expect(await limits.checkPassword('alice', '10.0.0.2', right)).toBe('in')
    expect(await limits.checkPassword('bob', '10.0.0.1', right)).toBe('in')
  })

  test('ends for an address that tries many accounts', async () => {
    const limits = createRateLimits(rules)
    for (let i = 0; i < 6; i++)
      await expect(limits.checkPassword(`user${i}`, '10.0.0.1', wrong)).rejects.toThrow()
    await expect(limits.checkPassword('alice', '10.0.0.1', right)).rejects.toMatchObject(limited)
  })

  test('ends for an account that is tried from many addresses, except at addresses known from its owner', async () => {
    const limits = createRateLimits(rules)
    expect(await limits.checkPassword('alice', '10.0.0.1', right)).toBe('in')
    await limits.rememberAddress('alice', '10.0.0.2')
    for (let i = 0; i < 4; i++)
      await expect(limits.checkPassword('alice', `10.1.0.${i}`, wrong)).rejects.toMatchObject(
        refused,
      )
    await expect(limits.checkPassword('alice', '10.1.1.1', right)).rejects.toMatchObject(limited)
    for (const address of ['10.0.0.1', '10.0.0.2'])
      expect(await limits.checkPassword('alice', address, right)).toBe('in')
    expect(await limits.checkPassword('alice', '10.1.1.1', right, true)).toBe('in')
    expect(await limits.checkPassword('bob', '10.1.1.2', right)).toBe('in')
    for (let i = 0; i < 3; i++)
      await expect(limits.checkPassword('alice', '10.0.0.1', wrong)).rejects.toMatchObject(refused)
    await expect(limits.checkPassword('alice', '10.0.0.1', right)).rejects.toMatchObject(limited)
  })

  test('by one person at an address keeps out nobody who is known there', async () => {
    const limits = createRateLimits(rules)
    expect(await limits.checkPassword('alice', '10.0.0.1', right)).toBe('in')
    for (let i = 0; i < 6; i++)
      await expect(limits.checkPassword(`user${i}`, '10.0.0.1', wrong)).rejects.toMatchObject(
        refused,
      )
    await expect(limits.checkPassword('bob', '10.0.0.1', right)).rejects.toMatchObject(limited)
    expect(await limits.checkPassword('alice', '10.0.0.1', right)).toBe('in')
  })

  test('counts only guesses that were checked and wrong', async () => {
    const limits = createRateLimits(rules)
    for (let i = 0; i < 3; i++)
      await expect(limits.checkPassword('alice', '10.0.0.1', wrong)).rejects.toMatchObject(refused)
    for (let i = 0; i < 20; i++)
      await expect(limits.checkPassword('alice', '10.0.0.1', wrong)).rejects.toMatchObject(limited)
    for (const name of ['bob', 'carol'])
      for (let i = 0; i < 2 - Number(name === 'carol'); i++)
        await expect(limits.checkPassword(name, '10.0.0.1', wrong)).rejects.toMatchObject(refused)
    await expect(limits.checkPassword('alice', '10.0.0.2', wrong)).rejects.toMatchObject(refused)
  })

  test('with right passwords by many at once is not limited and gives wrong ones no more points', async () => {
    const limits = createRateLimits(rules)
    const slowly = async () => {
      await new Promise(setImmediate)
      return 'in'
    }
    for (const account of ['alice', 'bob'])
      expect(
        await Promise.all(
          Array.from({ length: 60 }, () => limits.checkPassword(account, '10.0.0.1', slowly)),
        ),
      ).toHaveLength(60)
    const guesses = Array.from({ length: 20 }, () =>
      limits.checkPassword('alice', '10.0.0.1', wrong),
    )
    const outcomes = (await Promise.allSettled(guesses)) as PromiseRejectedResult[]
    const codes = outcomes.map(({ reason }) => (reason as Fault).code)
    expect(codes.filter((code) => code === 'invalid_credentials')).toHaveLength(3)
    expect(codes.filter((code) => code === 'rate_limited')).toHaveLength(17)
  })

  test('with a right password among wrong ones that use all points up is refused in the end and does not wait for ever', async () => {
    const limits = createRateLimits(rules)
    const gates = Array.from({ length: 3 }, () => Promise.withResolvers<void>())
    const guessing = gates.map(({ promise }) =>
      limits.checkPassword('alice', '10.0.0.1', () => promise.then(wrong)),
    )
    const waiting = Array.from({ length: 5 }, () =>
      limits.checkPassword('alice', '10.0.0.1', right),
    )
    for (const { resolve } of gates) resolve()
    for (const guess of guessing) await expect(guess).rejects.toMatchObject(refused)
    for (const guess of waiting) await expect(guess).rejects.toMatchObject(limited)
  })

  test('in parallel gains nothing', async () => {
    const limits = createRateLimits(rules)
    let checked = 0
    const slowlyWrong = async () => {
      checked++
      await new Promise(setImmediate)
      throw new Fault('invalid_credentials')
    }
    await Promise.allSettled(
      Array.from({ length: 20 }, () => limits.checkPassword('alice', '10.0.0.1', slowlyWrong)),
    )
    expect(checked).toBe(3)
  })

  test('with right passwords is not limited', async () => {
    const limits = createRateLimits(rules)
    for (let i = 0; i < 30; i++)
      expect(await limits.checkPassword('alice', '10.0.0.1', right)).toBe('in')
  })

  test('is not counted if the server failed', async () => {
    const limits = createRateLimits(rules)
    const away = () => Promise.reject(new Fault('unavailable'))
    for (let i = 0; i < 30; i++)
      await expect(limits.checkPassword('alice', '10.0.0.1', away)).rejects.toMatchObject({
        code: 'unavailable',
      })
  })
})

test('whoever has many networks of IPv6 gets no more guesses or accounts than an office', async () => {
  const limits = createRateLimits({
    ...{
      guessesPerAddress: { points: 2, seconds: 60 },
      guessesPerSite: { points: 5, seconds: 60 },
    },
    ...{ signUps: { points: 2, seconds: 60 }, signUpsPerSite: { points: 5, seconds: 60 } },
  })
  const from = (n: number, site = 1) => `2001:db8:${site}:${n.toString(16)}::1`
  const guess = (n: number, site?: number) =>
    limits.checkPassword(`user${n}`, from(n, site), wrong).catch((fault: Fault) => fault.code)
  const signUp = (n: number, site?: number) =>
    limits.countSignUp(from(n, site)).then(...[() => 'made', (fault: Fault) => fault.code])
  const many = async (act: (n: number) => Promise<unknown>) => {
    const ends = []
    for (let n = 0; n < 40; n++) ends.push(await act(n))
    return ends
  }
  const ends = (first: string) => [
    ...Array<string>(5).fill(first),
    ...Array<string>(35).fill('rate_limited'),
  ]
  expect(await many(guess)).toEqual(ends('invalid_credentials'))
  expect(await many(signUp)).toEqual(ends('made'))
  expect([await guess(99, 2), await signUp(99, 2)]).toEqual(['invalid_credentials', 'made'])
  const buckets = new NetworkBuckets({ rate: 1e-9, burst: 2 })
  const took = Array.from({ length: 40 }, (_, n) => buckets.take(from(n)) === 0)
  expect(took.filter(Boolean)).toHaveLength(2 * SITE_SHARES)
  expect(Array.from({ length: 3 }, () => buckets.take(from(0, 2)) === 0)).toEqual([
    true,
    true,
    false,
  ])
  expect(Array.from({ length: 40 }, (_, n) => buckets.take(`10.0.0.${n}`))).toEqual(
    Array(40).fill(0),
  )
})

test('the number of new accounts from one address is limited', async () => {
  const limits = createRateLimits(rules)
  await limits.countSignUp('10.0.0.1')
  await limits.countSignUp('10.0.0.1')
  await expect(limits.countSignUp('10.0.0.1')).rejects.toMatchObject(limited)
  await limits.countSignUp('10.0.0.2')
})

test.each([
  ['10.0.0.1', '10.0.0.1'],
  ['::ffff:10.0.0.1', '10.0.0.1'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
  ['2001:db8:1:2::9', '2001:db8:1:2'],
  ['2001:0DB8::1', '2001:db8:0:0'],
  ['::1', '0:0:0:0'],
  ['fe80::1%eth0', 'fe80:0:0:0'],
])('%s is of the network %s', (address, network) => {
  expect(networkOf(address)).toBe(network)
})
