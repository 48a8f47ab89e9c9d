// The `$slice` of a projection: a count from either end, or [skip, count].
import { toNumber } from '../bson/numbers.ts'
import { locationRefusal, type ServerError } from '../errors.ts'

/** Compiles the operand of `$slice`. */
export function sliceOf(operand: unknown): (array: readonly unknown[]) => unknown[] {
  if (!Array.isArray(operand)) {
    const count = wholeNumber(operand)
    return (array) => (count < 0 ? array.slice(count) : array.slice(0, count))
  }
  if (operand.length !== 2) throw invalid('$slice takes a number or an array of two numbers')
  const [skip, count] = [wholeNumber(operand[0]), wholeNumber(operand[1])]
  if (count <= 0) throw invalid('the limit of $slice must be positive')
  return (array) => {
    const start = skip < 0 ? Math.max(0, array.length + skip) : skip
    return array.slice(start, start + count)
  }
}

function wholeNumber(value: unknown): number {
  const number = toNumber(value)
  if (number === undefined || !Number.isFinite(number)) throw invalid('$slice needs numbers')
  return Math.trunc(number)
}

function invalid(message: string): ServerError {
  return locationRefusal(28667, `Invalid $slice syntax. ${message}`)
}
