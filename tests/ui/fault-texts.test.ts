// What a person is told when something went wrong.
import { afterEach, beforeAll, describe, expect, test } from 'vitest'
import { errorCodes } from '@lockstep/protocol/problem'
import { Fault, toProblem, type FaultExtra } from '@lockstep/protocol/errors'
import { quotaReached } from '../../realtime/commands/conversation-quota.ts'
import { overQuota } from '../../realtime/log/storage-quota.ts'
import { showEnglish } from './english-texts.ts'
import { explainFault, faultField } from '../../ui/src/lib/fault-texts.ts'
import { showLanguage } from '../../ui/src/lib/texts.ts'
import arabic from '../../ui/texts/ar.json' with { type: 'json' }
import english from '../../ui/texts/en.json' with { type: 'json' }
import { compileCatalogue } from '../../tools/vite/texts.ts'

beforeAll(showEnglish)

afterEach(showEnglish)

test('how long to wait is told in the unit that a person would use', () => {
  const text = (retry_after_ms: number) =>
    explainFault({ code: 'rate_limited', extra: { retry_after_ms } })
  expect(text(900)).toBe('Too many attempts. Try again in 1 second.')
  expect(text(100_000)).toBe('Too many attempts. Try again in 2 minutes.')
  expect(text(9 * 3_600_000)).toBe('You’ve reached today’s limit. Try again in 9 hours.')
})

const detail = 'Words of the server'
const at = (path: string): FaultExtra => ({ detail, issues: [{ path, message: 'must be good' }] })
const extras: FaultExtra[] = [
  {},
  { detail },
  { detail, limit_bytes: 300_000, retry_after_ms: 3000 },
  ...['username', 'password', 'new_password', 'title', ''].map(at),
  { detail, reason: 'encrypted' },
  { detail, reason: 'full' },
]
const faults = errorCodes.flatMap((code) => extras.map((extra) => new Fault(code, extra)))

describe('a refusal is told in the language of the page, whatever the server says', () => {
  // The files of one worker share what is loaded, so these languages have tags of their own.
  test.each([
    ['the pseudo-language', 'en-x-faults', compileCatalogue(english, { pseudo: true })],
    ['Arabic', 'ar-x-faults', compileCatalogue(arabic, { language: 'ar' })],
  ])('%s', async (_, language, texts) => {
    await showLanguage(language, () => Promise.resolve(texts))
    // Arabic names the signs that a username may have.
    const foreign = language === 'ar-x-faults' ? /[a-z]{2}/i : /[a-z]/i
    for (const fault of [
      ...faults,
      new Error(detail),
      detail,
      undefined,
      { code: 'newer', detail },
    ])
      expect(explainFault(fault).replace('Lockstep', ''), JSON.stringify(fault)).not.toMatch(
        foreign,
      )
    for (const fault of faults) expect(explainFault(toProblem(fault))).toBe(explainFault(fault))
  })

  test('English, which may be the server’s own', () => {
    for (const fault of faults) {
      expect(explainFault(fault)).toMatch(/^[^{}]+\.$/)
      expect(explainFault(toProblem(fault))).toBe(explainFault(fault))
    }
    expect(explainFault(new Fault('forbidden_scope', { detail }))).toBe(`${detail}.`)
    expect(explainFault(toProblem(new Fault('invalid', at('username'))))).toBe(
      'Username must be good.',
    )
    expect(faultField(toProblem(new Fault('invalid', at('username'))))).toBe('username')
  })
})

test.each([overQuota(3_000_000), quotaReached()])(
  'a full account is said to be full: $message',
  (fault) => {
    expect(explainFault(fault)).toBe('Your account is full. Delete chats forever to make room.')
  },
)
