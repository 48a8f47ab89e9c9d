// Operators on arrays, and between arrays and objects.
import { Int32 } from 'bson'
import { Doc } from '../bson/doc.ts'
import { toNumber } from '../bson/numbers.ts'
import { isDoc, typeOf } from '../bson/type-of.ts'
import { locationRefusal } from '../errors.ts'
import { checkedVariable, compareInExpression } from './comparisons.ts'
import { isNullish, typeName, type OperatorCompiler } from './expression.ts'
import { any, between, exactly, named, one } from './operands.ts'
import { isTrue } from './truth.ts'

/** A number that must be a whole one of 32 bits; undefined if it isn't. */
function int32(value: unknown): number | undefined {
  const number = toNumber(value)
  return number !== undefined && number === (number | 0) ? number : undefined
}

function elementAt([array, index]: readonly unknown[]): unknown {
  if (isNullish(array) || isNullish(index)) return null
  if (!Array.isArray(array))
    throw locationRefusal(
      28689,
      `$arrayElemAt's first argument must be an array, but is ${typeName(array)}`,
    )
  if (toNumber(index) === undefined)
    throw locationRefusal(
      28690,
      `$arrayElemAt's second argument must be a numeric value, but is ${typeName(index)}`,
    )
  const at = int32(index)
  if (at === undefined)
    throw locationRefusal(
      28691,
      '$arrayElemAt second argument must be representable as a 32-bit integer',
    )
  return array.at(at)
}

const end = (at: 0 | -1): OperatorCompiler =>
  exactly(1, ([array], name) => {
    if (isNullish(array)) return null
    if (!Array.isArray(array))
      throw locationRefusal(28689, `${name}'s argument must be an array, but is ${typeName(array)}`)
    return (array as unknown[]).at(at)
  })

function concatenated(values: readonly unknown[]): unknown {
  const result: unknown[] = []
  for (const value of values) {
    if (isNullish(value)) return null
    if (!Array.isArray(value))
      throw locationRefusal(28664, `$concatArrays only supports arrays, not ${typeName(value)}`)
    result.push(...(value as unknown[]))
  }
  return result
}

function sliced(values: readonly unknown[]): unknown {
  const [array, first, second] = values
  if (isNullish(array) || isNullish(first)) return null
  if (!Array.isArray(array))
    throw locationRefusal(
      28724,
      `First argument to $slice must be an array, but is of type: ${typeName(array)}`,
    )
  if (toNumber(first) === undefined)
    throw locationRefusal(
      28725,
      `Second argument to $slice must be a numeric value, but is of type: ${typeName(first)}`,
    )
  const from = int32(first)
  if (from === undefined)
    throw locationRefusal(
      28726,
      "Second argument to $slice can't be represented as a 32-bit integer",
    )
  if (values.length === 2) return from < 0 ? array.slice(from) : array.slice(0, from)
  if (isNullish(second)) return null
  if (toNumber(second) === undefined)
    throw locationRefusal(
      28727,
      `Third argument to $slice must be numeric, but is of type: ${typeName(second)}`,
    )
  const count = int32(second)
  if (count === undefined)
    throw locationRefusal(
      28728,
      "Third argument to $slice can't be represented as a 32-bit integer",
    )
  if (count <= 0) throw locationRefusal(28729, 'Third argument to $slice must be positive')
  const start = from < 0 ? Math.max(0, array.length + from) : from
  return array.slice(start, start + count)
}

/** `[[k, v], …]` or `[{k, v}, …]` as an object. */
function toObject(value: unknown): unknown {
  if (!Array.isArray(value))
    throw locationRefusal(
      40386,
      `$arrayToObject requires an array input, found: ${typeName(value)}`,
    )
  const isPairs = Array.isArray(value[0])
  let result = Doc.empty
  for (const item of value as unknown[]) {
    const [name, field] = isPairs ? pairOf(item) : keyAndValueOf(item)
    if (name.includes('\0'))
      throw locationRefusal(4940400, 'Key field cannot contain an embedded null byte')
    result = result.with(name, field)
  }
  return result
}

function pairOf(item: unknown): [string, unknown] {
  if (!Array.isArray(item))
    throw locationRefusal(
      40396,
      `$arrayToObject requires a consistent input format. Found: ${typeName(item)}`,
    )
  if (item.length !== 2)
    throw locationRefusal(40397, '$arrayToObject requires an array of size 2 arrays')
  if (typeof item[0] !== 'string')
    throw locationRefusal(
      40395,
      '$arrayToObject requires an array of key-value pairs, where the key must be of type string',
    )
  return [item[0], item[1]]
}

function keyAndValueOf(item: unknown): [string, unknown] {
  if (!isDoc(item))
    throw locationRefusal(
      Array.isArray(item) ? 40391 : 40398,
      `Unrecognised input type format for $arrayToObject: ${typeName(item)}`,
    )
  if (item.size !== 2)
    throw locationRefusal(40392, "$arrayToObject requires an object keys of 'k' and 'v'")
  if (!item.has('k') || !item.has('v'))
    throw locationRefusal(40393, "$arrayToObject requires an object with keys 'k' and 'v'")
  const name = item.get('k')
  if (typeof name !== 'string')
    throw locationRefusal(
      40394,
      "$arrayToObject requires an object with keys 'k' and 'v', where 'k' must be a string",
    )
  return [name, item.get('v')]
}

/** `$map` and `$filter`: what they do with each element. */
function eachElement(
  names: {
    readonly inner: 'in' | 'cond'
    readonly codes: readonly [number, number, number, number, number]
  },
  pick: (element: unknown, result: unknown) => unknown[],
): OperatorCompiler {
  const [notObject, unknown, noInput, noInner, notArray] = names.codes
  return (operand, scope, name) => {
    const known = ['input', 'as', names.inner] as const
    const given = named(operand, known, unknown, name, notObject)
    if (!('input' in given)) throw locationRefusal(noInput, `Missing 'input' parameter to ${name}`)
    if (!(names.inner in given))
      throw locationRefusal(noInner, `Missing '${names.inner}' parameter to ${name}`)
    const variable = 'as' in given ? checkedVariable(String(given.as)) : 'this'
    const input = scope.compile(given.input)
    const inner = scope.compile(given[names.inner], [variable])
    return {
      constant: false,
      of(root, bound) {
        const array = input.of(root, bound)
        if (isNullish(array)) return null
        if (!Array.isArray(array))
          throw locationRefusal(
            notArray,
            `input to ${name} must be an array not ${typeName(array)}`,
          )
        return array.flatMap((element: unknown) =>
          pick(element, inner.of(root, { name: variable, value: element, outer: bound })),
        )
      },
    }
  }
}

const reduce: OperatorCompiler = (operand, scope, name) => {
  const given = named(operand, ['input', 'initialValue', 'in'], 40076, name, 40075)
  if (!('input' in given)) throw locationRefusal(40077, "$reduce requires 'input' to be specified")
  if (!('initialValue' in given))
    throw locationRefusal(40078, "$reduce requires 'initialValue' to be specified")
  if (!('in' in given)) throw locationRefusal(40079, "$reduce requires 'in' to be specified")
  const [input, initial] = [scope.compile(given.input), scope.compile(given.initialValue)]
  const step = scope.compile(given.in, ['this', 'value'])
  return {
    constant: false,
    of(root, bound) {
      const array = input.of(root, bound)
      if (isNullish(array)) return null
      if (!Array.isArray(array))
        throw locationRefusal(
          40080,
          `$reduce requires that 'input' be an array, found: ${typeName(array)}`,
        )
      return (array as unknown[]).reduce(
        (value, element) => {
          const outer = { name: 'value', value, outer: bound }
          return step.of(root, { name: 'this', value: element, outer })
        },
        initial.of(root, bound),
      )
    },
  }
}

export const arrayOperators: Record<string, OperatorCompiler> = {
  $arrayElemAt: exactly(2, elementAt),
  $first: end(0),
  $last: end(-1),
  $concatArrays: any(concatenated),
  $slice: between(2, 3, sliced),
  $isArray: exactly(1, ([value]) => Array.isArray(value)),
  $size: exactly(1, ([value]) => {
    if (Array.isArray(value)) return new Int32(value.length)
    throw locationRefusal(
      17124,
      `The argument to $size must be an array, but was of type: ${typeName(value)}`,
    )
  }),
  $in: exactly(2, ([value, array]) => {
    if (!Array.isArray(array))
      throw locationRefusal(
        40081,
        `$in requires an array as a second argument, found: ${typeName(array)}`,
      )
    return array.some((element) => compareInExpression(element, value) === 0)
  }),
  $reverseArray: one((array) => {
    if (!Array.isArray(array))
      throw locationRefusal(
        34435,
        `The argument to $reverseArray must be an array, but was of type: ${typeName(array)}`,
      )
    return array.toReversed()
  }),
  $arrayToObject: one(toObject),
  $objectToArray: one((value) => {
    if (!isDoc(value))
      throw locationRefusal(
        40390,
        `$objectToArray requires a document input, found: ${typeOf(value)}`,
      )
    return value.fields.map((field) =>
      Doc.of([
        ['k', field.name],
        ['v', field.value],
      ]),
    )
  }),
  $map: eachElement({ inner: 'in', codes: [16878, 16879, 16880, 16882, 16883] }, (_, result) => [
    result ?? null,
  ]),
  $filter: eachElement(
    { inner: 'cond', codes: [28646, 28647, 28648, 28650, 28651] },
    (element, result) => (isTrue(result) ? [element] : []),
  ),
  $reduce: reduce,
}
