// What a person is told when something went wrong.
import { expect, test } from 'vitest'
import './english-texts.ts'
import { explainFault } from '../../ui/src/lib/fault-texts.ts'

test('how long to wait is told in the unit that a person would use', () => {
  const text = (retry_after_ms: number) =>
    explainFault({ code: 'rate_limited', extra: { retry_after_ms } })
  expect(text(900)).toBe('Too many attempts. Try again in 1 second.')
  expect(text(100_000)).toBe('Too many attempts. Try again in 2 minutes.')
  expect(text(9 * 3_600_000)).toBe('You’ve reached today’s limit. Try again in 9 hours.')
})
