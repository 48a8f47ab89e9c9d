// Reads the operands of query operators that need checks: regular expressions and type names.
import { BSONRegExp } from 'bson'
import { toNumber } from '../bson/numbers.ts'
import { typeCalled, type TypeName } from '../bson/type-of.ts'
import { locationRefusal, refusal } from '../errors.ts'
import { pace } from '../pace.ts'
import { Regex } from '../regex/regex.ts'

/**
 * The operand of `$regex` as a regular expression. `$options` may come before or after it; a
 * refusal of options in both of them has another code then.
 */
export function toRegex(operand: unknown, givenOptions?: unknown, areFirst = false): Regex {
  if (givenOptions !== undefined && typeof givenOptions !== 'string')
    throw refusal('BadValue', '$options has to be a string')
  const [source, own] = patternOf(operand)
  const isTwice = areFirst ? Boolean(givenOptions) : givenOptions !== undefined
  if (own !== '' && isTwice)
    throw locationRefusal(areFirst ? 51074 : 51075, 'options set in both $regex and $options')
  const options = givenOptions || own
  for (const option of options) {
    if (!'imsx'.includes(option))
      throw locationRefusal(51108, `invalid flag in regex options: ${option}`)
  }
  if (source.includes('\0') || options.includes('\0'))
    throw refusal('BadValue', 'Regular expression cannot contain an embedded null byte')
  return new Regex(source, options, () => void pace.isDue)
}

function patternOf(operand: unknown): [string, string] {
  if (operand instanceof BSONRegExp) return [operand.pattern, operand.options]
  if (typeof operand === 'string') return [operand, '']
  throw refusal('BadValue', '$regex has to be a string')
}

/** The types that the operand of `$type` names: an alias, a number, or an array of them. */
export function typeNames(operand: unknown): ReadonlySet<TypeName> {
  const entries: unknown[] = Array.isArray(operand) ? operand : [operand]
  if (entries.length === 0) throw refusal('FailedToParse', ' must match at least one type')
  const types = new Set<TypeName>()
  for (const entry of entries) for (const type of oneType(entry)) types.add(type)
  return types
}

function oneType(entry: unknown): TypeName[] {
  if (entry === 'number') return ['int', 'long', 'double', 'decimal']
  const isName = typeof entry === 'string'
  const number = toNumber(entry)
  if (!isName && number === undefined)
    throw refusal('TypeMismatch', 'type must be represented as a number or a string')
  const type = typeCalled(isName ? entry : number)
  if (type) return [type]
  throw refusal('BadValue', `Unknown type name alias or numerical type code: ${String(entry)}`)
}
