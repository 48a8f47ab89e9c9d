// Conversion between BSON's number types and JavaScript numbers, which mingo calculates with. A
// document is converted only once, however many expressions use it.
import { Double, Int32, type Long } from 'bson'
import { fieldsOf, isDoc, setField, typeOf, type Doc } from '../bson/codec.ts'
import { toNumber } from '../bson/numbers.ts'

const converted = new WeakMap<object, unknown>()

/** The value with JavaScript numbers. A long beyond 2^53 stays a long. */
export function toPlainNumbers(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  const known = converted.get(value)
  if (known !== undefined) return known
  const result = convert(value)
  if (result !== value && typeof result === 'object' && result !== null)
    converted.set(value, result)
  return result
}

function convert(value: object): unknown {
  if (Array.isArray(value)) return value.map((item: unknown) => toPlainNumbers(item))
  switch (typeOf(value)) {
    case 'int':
    case 'double':
      return toNumber(value)
    case 'long': {
      const number = (value as Long).toNumber()
      return Number.isSafeInteger(number) ? number : value
    }
    default:
  }
  if (!isDoc(value)) return value
  const result: Doc = {}
  for (const [name, field] of Object.entries(fieldsOf(value)))
    setField(result, name, toPlainNumbers(field))
  return result
}

/** The value with BSON numbers: an int if the number is one, otherwise a double. */
export function toBsonNumbers(value: unknown): unknown {
  if (typeof value === 'number')
    return value === (value | 0) && !Object.is(value, -0) ? new Int32(value) : new Double(value)
  if (Array.isArray(value)) return value.map((item: unknown) => toBsonNumbers(item) ?? null)
  if (value === null || typeof value !== 'object' || typeOf(value) !== 'object') return value
  const result: Doc = {}
  for (const [name, field] of Object.entries(fieldsOf(value as Doc)))
    if (field !== undefined) setField(result, name, toBsonNumbers(field))
  return result
}
