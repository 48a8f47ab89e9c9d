// Which values count as true.
import { toNumber } from '../bson/numbers.ts'
import { isNullish } from './expression.ts'

/** Every value except false, null, undefined, missing and numeric zero. */
export function isTrue(value: unknown): boolean {
  return !isNullish(value) && value !== false && toNumber(value) !== 0
}
