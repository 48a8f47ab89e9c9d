// Comparisons that are made thousands of times: cheap while they hold, with a diff if they don't.
import { isDeepStrictEqual } from 'node:util'
import { expect } from 'vitest'

/** Throws an assertion with a diff unless both are deeply equal. */
export function assertEqual(actual: unknown, expected: unknown, what: string): void {
  if (!isDeepStrictEqual(actual, expected)) expect(actual, what).toEqual(expected)
}

/** The `seq` values in (from, to]. */
export const seqsBetween = (from: number, to: number): number[] =>
  Array.from({ length: Math.max(0, to - from) }, (_, index) => from + 1 + index)
