// Plain JavaScript values for mingo. A document is converted once, however many expressions look at it.
import { fieldsOf, isDoc, setField, typeOf, type Doc } from '../bson/codec.ts'
import { toNumber } from '../bson/numbers.ts'
import type { Long } from 'bson'

const converted = new WeakMap<object, unknown>()

/** The value with its numbers as JavaScript numbers; longs beyond 2^53 stay what they are. */
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
