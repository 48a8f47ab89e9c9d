// Comparisons that are made by the thousand: cheap while they hold, with a diff when they don't.
import { isDeepStrictEqual } from 'node:util'
import { expect } from 'vitest'

export const demand = {
  checkDeviceState(actual: unknown, expected: unknown, what: string): void {
    if (!isDeepStrictEqual(actual, expected)) expect(actual, what).toEqual(expected)
  },

  /** from + 1, …, to */
  upTo: (to: number, from = 0): number[] =>
    Array.from({ length: Math.max(0, to - from) }, (_, index) => from + 1 + index),
}
