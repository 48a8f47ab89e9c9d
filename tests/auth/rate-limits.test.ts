import { describe, expect, test } from 'vitest'
import { Fault } from '../../protocol/errors.ts'
import { createRateLimits, networkOf } from '../../realtime/auth/rate-limits.ts'

const rules = {
  guesses: { points: 3, seconds: 60 },
  guessesPerAddress: { points: 6, seconds: 60 },
  signUps: { points: 2, seconds: 60 },
}
const wrong = () => Promise.reject(new Fault('invalid_credentials'))
const right = () => Promise.resolve('in')
const limited = { code: 'rate_limited', extra: { retry_after_ms: expect.any(Number) as number } }

describe('guessing passwords', () => {
  test('ends after a few wrong ones, for that account from that address only', async () => {
    const limits = createRateLimits(rules)
    for (let i = 0; i < 3; i++)
      await expect(limits.guess('alice', '10.0.0.1', wrong)).rejects.toMatchObject({ code: 'invalid_credentials' })
    await expect(limits.guess('alice', '10.0.0.1', right)).rejects.toMatchObject(limited)
    expect(await limits.guess('alice', '10.0.0.2', right)).toBe('in')
    expect(await limits.guess('bob', '10.0.0.1', right)).toBe('in')
  })

  test('ends for an address that tries many accounts', async () => {
    const limits = createRateLimits(rules)
    for (let i = 0; i < 6; i++) await expect(limits.guess(`user${i}`, '10.0.0.1', wrong)).rejects.toThrow()
    await expect(limits.guess('alice', '10.0.0.1', right)).rejects.toMatchObject(limited)
  })

  test('side by side gains nothing', async () => {
    const limits = createRateLimits(rules)
    let checked = 0
    const slowlyWrong = async () => {
      checked++
      await new Promise(setImmediate)
      throw new Fault('invalid_credentials')
    }
    await Promise.allSettled(Array.from({ length: 20 }, () => limits.guess('alice', '10.0.0.1', slowlyWrong)))
    expect(checked).toBe(3)
  })

  test('rightly, any number of times, is not limited', async () => {
    const limits = createRateLimits(rules)
    for (let i = 0; i < 30; i++) expect(await limits.guess('alice', '10.0.0.1', right)).toBe('in')
  })

  test('is not held against anybody when the server failed', async () => {
    const limits = createRateLimits(rules)
    const away = () => Promise.reject(new Fault('unavailable'))
    for (let i = 0; i < 30; i++)
      await expect(limits.guess('alice', '10.0.0.1', away)).rejects.toMatchObject({ code: 'unavailable' })
  })
})

test('accounts are made only so often from one address', async () => {
  const limits = createRateLimits(rules)
  await limits.signUp('10.0.0.1')
  await limits.signUp('10.0.0.1')
  await expect(limits.signUp('10.0.0.1')).rejects.toMatchObject(limited)
  await limits.signUp('10.0.0.2')
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
