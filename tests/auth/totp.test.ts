// One-time codes against the vectors of RFC 6238 and RFC 4226, base32 against those of RFC 4648.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  matchTotp,
  newTotpSecret,
  toBase32,
  totpCode,
  totpStep,
  totpUri,
} from '../../realtime/auth/totp.ts'
import {
  looksLikeRecoveryCode,
  newRecoveryCodes,
  plainCode,
  recoveryHash,
} from '../../realtime/auth/recovery-codes.ts'

const secret = Buffer.from('12345678901234567890')

describe('codes of an authenticator app', () => {
  test.each([
    [59, '94287082'],
    [1_111_111_109, '07081804'],
    [1_111_111_111, '14050471'],
    [1_234_567_890, '89005924'],
    [2_000_000_000, '69279037'],
    [20_000_000_000, '65353130'],
  ])('at second %i are those of RFC 6238', (second, code) => {
    expect(totpCode(secret, totpStep(second * 1000), 8)).toBe(code)
  })

  test('by counter are those of RFC 4226', () => {
    const codes = ['755224', '287082', '359152', '969429', '338314', '254676', '287922', '162583']
    expect(codes.map((_, counter) => totpCode(secret, counter))).toEqual(codes)
  })

  test('fit one step before and after, each step once, and nothing else', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 3, max: 2 ** 40 }),
        fc.integer({ min: -3, max: 3 }),
        fc.integer({ min: -3, max: 3 }),
        (step, drift, used) => {
          const code = totpCode(secret, step + drift)
          const found = matchTotp(secret, code, { now: step * 30_000 + 7, after: step + used })
          const isOther = [-1, 0, 1].some(
            (other) => other !== drift && totpCode(secret, step + other) === code,
          )
          if (!isOther)
            expect(found).toBe(Math.abs(drift) <= 1 && drift > used ? step + drift : undefined)
        },
      ),
      { numRuns: 200 },
    )
    for (const code of ['', '12345', '1234567', 'abcdef', '١٢٣٤٥٦', ' 12345'])
      expect(matchTotp(secret, code, { now: 0, after: -9 })).toBeUndefined()
  })

  test('have a secret that apps can read', () => {
    for (const [text, base32] of [
      ['', ''],
      ['f', 'MY'],
      ['fo', 'MZXQ'],
      ['foo', 'MZXW6'],
      ['foob', 'MZXW6YQ'],
      ['fooba', 'MZXW6YTB'],
      ['foobar', 'MZXW6YTBOI'],
    ] as const)
      expect(toBase32(Buffer.from(text))).toBe(base32)
    expect(newTotpSecret()).toHaveLength(20)
    const uri = new URL(totpUri(secret, 'a b:c', 'chat.example.org:8443'))
    expect(uri.href).toContain('otpauth://totp/chat.example.org%3A8443:a%20b%3Ac?')
    expect(Object.fromEntries(uri.searchParams)).toEqual({
      secret: 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ',
      issuer: 'chat.example.org:8443',
      algorithm: 'SHA1',
      digits: '6',
      period: '30',
    })
  })
})

test('recovery codes are ten different ones, and are recognised however they are typed', () => {
  const codes = newRecoveryCodes()
  expect(new Set(codes).size).toBe(10)
  for (const code of codes) {
    expect(code).toMatch(/^[a-z02-9]{4}(-[a-z02-9]{4}){3}$/)
    expect(looksLikeRecoveryCode(plainCode(code))).toBe(true)
    const typed = ` ${code.toUpperCase().replaceAll('-', ' ')} `
    expect(recoveryHash('u', typed)).toBe(recoveryHash('u', code))
    expect(recoveryHash('v', code)).not.toBe(recoveryHash('u', code))
  }
})
