// The operators of expressions that the engine claims. Ints, longs and doubles are kept apart;
// arithmetic on decimals is refused.
import { Double, Int32, Long } from 'bson'
import { dateOf, Doc } from '../bson/doc.ts'
import { isNumeric, numberTypes, toBigInt, toNumber, wholeOf } from '../bson/numbers.ts'
import { compareValues, msOf } from '../bson/order.ts'
import { Sum } from '../bson/sum.ts'
import { isDoc, typeOf } from '../bson/type-of.ts'
import { locationRefusal, refusal } from '../errors.ts'
import {
  composed,
  computed,
  constantOf,
  isNullish,
  type Bound,
  type CompileInner,
  type Expression,
  type OperatorCompiler,
} from './expression.ts'
import { isTrue } from './truth.ts'

/** Compiles a list of operands. A single operand need not be in an array. */
function operandsOf(operand: unknown, compile: CompileInner): Expression[] {
  const list: unknown[] = Array.isArray(operand) ? operand : [operand]
  return list.map((item) => compile(item))
}

/** An operator with any number of operands. */
function any(compute: (values: readonly unknown[]) => unknown): OperatorCompiler {
  return (operand, compile) => computed(operandsOf(operand, compile), compute)
}

/** An operator with exactly `count` operands. */
function exactly(
  count: number,
  compute: (values: readonly unknown[]) => unknown,
): OperatorCompiler {
  return (operand, compile, name) => {
    const operands = operandsOf(operand, compile)
    if (operands.length === count) return computed(operands, compute)
    throw locationRefusal(
      16020,
      `Expression ${name} takes exactly ${count} arguments. ${operands.length} were passed in.`,
    )
  }
}

/** An operator that evaluates its operands one by one, as far as it needs them. */
function lazy(choose: (values: IteratorObject<unknown>) => unknown, least = 0): OperatorCompiler {
  return (operand, compile, name) => {
    const parts = operandsOf(operand, compile)
    if (parts.length < least)
      throw locationRefusal(1257300, `${name} needs at least ${least} arguments`)
    const inTurn = (root: Doc, bound?: Bound) => parts.values().map((part) => part.of(root, bound))
    return composed(parts, (root, bound) => choose(inTurn(root, bound)))
  }
}

/** The operands of an operator that names them. */
function named(
  operand: unknown,
  operator: string,
  codes: { notObject: number; unknown: number } & Record<string, number>,
): Record<string, unknown> {
  const { notObject, unknown, ...required } = codes
  if (!isDoc(operand))
    throw locationRefusal(notObject, `${operator} only supports an object as its argument`)
  const given = Object.fromEntries(operand.fields.map(({ name, value }) => [name, value]))
  const other = Object.keys(given).find((name) => name !== 'as' && !Object.hasOwn(required, name))
  if (other !== undefined)
    throw locationRefusal(unknown, `Unrecognized parameter to ${operator}: ${other}`)
  for (const [name, code] of Object.entries(required))
    if (!(name in given)) throw locationRefusal(code, `Missing '${name}' parameter to ${operator}`)
  return given
}

function add(values: readonly unknown[]): unknown {
  const sum = new Sum()
  let date: Date | undefined
  for (const value of values) {
    if (isNullish(value)) return null
    if (value instanceof Date) {
      if (date) throw locationRefusal(16612, 'only one date allowed in an $add expression')
      date = value
    } else if (isNumeric(value)) sum.add(value)
    else throw notNumeric('$add', value)
  }
  const halfUp = (value: number): number => Math.sign(value) * Math.round(Math.abs(value))
  return date ? laterBy(date, msIn(sum.total, halfUp)) : sum.total
}

function notNumeric(operator: string, value: unknown): Error {
  return refusal('TypeMismatch', `${operator} only supports numbers or dates, not ${typeOf(value)}`)
}

function laterBy(date: Date, ms: bigint): Date {
  const result = msOf(date) + ms
  if (result === BigInt.asIntN(64, result)) return dateOf(result)
  throw refusal('Overflow', 'date overflow')
}

/** A number of milliseconds; how a fraction is rounded depends on the operator. */
function msIn(value: unknown, whole: (value: number) => number): bigint {
  if (!numberTypes([value]).has('double')) return toBigInt(value)
  const number = whole(toNumber(value)!)
  if (Math.abs(number) < 2 ** 63) return BigInt(number)
  throw refusal('Overflow', 'date overflow')
}

function subtract([a, b]: readonly unknown[]): unknown {
  if (isNullish(a) || isNullish(b)) return null
  if (a instanceof Date && b instanceof Date)
    return Long.fromBigInt(BigInt.asIntN(64, msOf(a) - msOf(b)))
  if (a instanceof Date && isNumeric(b)) return laterBy(a, -msIn(b, Math.trunc))
  if (!isNumeric(a) || !isNumeric(b)) throw notNumeric('$subtract', isNumeric(a) ? b : a)
  const types = numberTypes([a, b])
  const inDoubles = new Double(toNumber(a)! - toNumber(b)!)
  if (types.has('double')) return inDoubles
  return wholeOf(toBigInt(a) - toBigInt(b), types.has('long')) ?? inDoubles
}

function multiply(values: readonly unknown[]): unknown {
  if (values.some(isNullish)) return null
  const other = values.find((value) => !isNumeric(value))
  if (other !== undefined) throw notNumeric('$multiply', other)
  const types = numberTypes(values)
  const wholes = values.filter((value) => typeOf(value) !== 'double').map(toBigInt)
  const product = wholes.reduce((a, b) => a * b, 1n)
  const exact = types.has('double') ? undefined : wholeOf(product, types.has('long'))
  return exact ?? new Double(values.reduce<number>((a, b) => a * toNumber(b)!, 1))
}

function absolute([value]: readonly unknown[]): unknown {
  if (isNullish(value)) return null
  if (!isNumeric(value)) throw locationRefusal(28765, `$abs needs a number, not ${typeOf(value)}`)
  const types = numberTypes([value])
  if (types.has('double')) return new Double(Math.abs(toNumber(value)!))
  const whole = toBigInt(value)
  const result = wholeOf(whole < 0n ? -whole : whole, types.has('long'))
  if (result) return result
  throw locationRefusal(28680, "can't take $abs of long long min")
}

/** The sum of all numbers; a single array counts as its elements. */
function summed(values: readonly unknown[]): unknown {
  const sum = new Sum()
  const [first] = values
  const all: readonly unknown[] = values.length === 1 && Array.isArray(first) ? first : values
  for (const value of all) sum.add(value)
  return sum.total
}

function divide([a, b]: readonly unknown[]): unknown {
  if (isNumeric(a) && isNumeric(b)) {
    if (toNumber(b) === 0) throw refusal('BadValue', "can't $divide by zero")
    numberTypes([a, b])
    return new Double(toNumber(a)! / toNumber(b)!)
  }
  if (isNullish(a) || isNullish(b)) return null
  throw notNumeric('$divide', isNumeric(a) ? b : a)
}

/** The order of values in expressions: a missing one sorts below null. */
function compare(a: unknown, b: unknown): number {
  if (a === undefined || b === undefined) {
    if (a === b) return 0
    const [sign, other] = a === undefined ? [-1, b] : [1, a]
    return typeOf(other) === 'minKey' ? -sign : sign
  }
  return compareValues(a, b)
}

const comparing = (verdict: (order: number) => unknown): OperatorCompiler =>
  exactly(2, ([a, b]) => verdict(compare(a, b)))

const cond: OperatorCompiler = (operand, compile, name) => {
  const list: unknown[] = Array.isArray(operand) ? operand : [operand]
  const codes = { notObject: 16020, unknown: 17083, if: 17080, then: 17080, else: 17081 }
  if (!isDoc(operand) && list.length !== 3)
    throw locationRefusal(16020, `${name} takes 3 arguments. ${list.length} were passed in.`)
  const given = isDoc(operand) ? named(operand, name, codes) : undefined
  const [test, then, other] = given ? [given.if, given.then, given.else] : list
  const parts = [compile(test), compile(then), compile(other)] as const
  return composed(parts, (root, bound) =>
    (isTrue(parts[0].of(root, bound)) ? parts[1] : parts[2]).of(root, bound),
  )
}

function notAnArray(code: number, operator: string, value: unknown): Error {
  return locationRefusal(code, `${operator} needs an array, not ${typeOf(value)}`)
}

function elementAt([array, index]: readonly unknown[]): unknown {
  if (isNullish(array) || isNullish(index)) return null
  if (!Array.isArray(array)) throw notAnArray(28689, '$arrayElemAt', array)
  const at = toNumber(index)
  if (at === undefined)
    throw locationRefusal(28690, `$arrayElemAt needs a numeric index, not ${typeOf(index)}`)
  if (at === (at | 0)) return array.at(at)
  throw locationRefusal(28691, '$arrayElemAt needs an index of 32 bits')
}

function concatenated(values: readonly unknown[]): unknown {
  const other = values.find((value) => !Array.isArray(value))
  if (values.length > 0 && !isNullish(other)) throw notAnArray(28664, '$concatArrays', other)
  return values.every((value) => Array.isArray(value)) ? values.flat() : null
}

/** `$map` and `$filter`: what they do with each element. */
function eachElement(
  codes: { notObject: number; unknown: number; input: number; notArray: number },
  inner: Record<string, number>,
  pick: (element: unknown, result: unknown) => unknown[],
): OperatorCompiler {
  const { notArray, ...ofOperand } = codes
  return (operand, compile, name) => {
    const given = named(operand, name, { ...ofOperand, ...inner })
    const variable = 'as' in given ? checkedVariable(String(given.as)) : 'this'
    const input = compile(given.input)
    const each = compile(given[Object.keys(inner)[0]!], variable)
    return {
      constant: false,
      of(root, outer) {
        const array = input.of(root, outer)
        if (isNullish(array)) return null
        if (!Array.isArray(array)) throw notAnArray(notArray, name, array)
        return array.flatMap((value: unknown) =>
          pick(value, each.of(root, { name: variable, value, outer })),
        )
      },
    }
  }
}

/** Refuses the name of a variable that can't be defined. */
export function checkedVariable(name: string): string {
  if (name === 'CURRENT') throw refusal('NotImplemented', 'defining CURRENT is not supported')
  if (/^[a-z\u0080-\u{10ffff}][\w\u0080-\u{10ffff}]*$/u.test(name)) return name
  throw refusal('FailedToParse', `'${name}' is no name of a variable of users`)
}

/** The operators that the engine claims. */
export const operators: Readonly<Record<string, OperatorCompiler>> = {
  $literal: (operand) => constantOf(operand),
  $add: any(add),
  $subtract: exactly(2, subtract),
  $multiply: any(multiply),
  $divide: exactly(2, divide),
  $abs: exactly(1, absolute),
  $sum: any(summed),
  $eq: comparing((order) => order === 0),
  $ne: comparing((order) => order !== 0),
  $gt: comparing((order) => order > 0),
  $gte: comparing((order) => order >= 0),
  $lt: comparing((order) => order < 0),
  $lte: comparing((order) => order <= 0),
  $cmp: comparing((order) => new Int32(Math.sign(order))),
  $and: lazy((values) => values.every(isTrue)),
  $or: lazy((values) => values.some(isTrue)),
  $not: exactly(1, ([value]) => !isTrue(value)),
  $cond: cond,
  $ifNull: lazy((values) => {
    let last: unknown
    for (last of values) if (!isNullish(last)) return last
    return last
  }, 2),
  $type: exactly(1, ([value]) => typeOf(value)),
  $isArray: exactly(1, ([value]) => Array.isArray(value)),
  $size: exactly(1, ([value]) => {
    if (Array.isArray(value)) return new Int32(value.length)
    throw notAnArray(17124, '$size', value)
  }),
  $in: exactly(2, ([value, array]) => {
    if (Array.isArray(array)) return array.some((element) => compare(element, value) === 0)
    throw notAnArray(40081, '$in', array)
  }),
  $arrayElemAt: exactly(2, elementAt),
  $concatArrays: any(concatenated),
  $objectToArray: exactly(1, ([value]) => {
    if (isNullish(value)) return null
    if (!isDoc(value))
      throw locationRefusal(40390, `$objectToArray needs an object, not ${typeOf(value)}`)
    const pair = (name: string, inner: unknown) => Doc.of(Object.entries({ k: name, v: inner }))
    return value.fields.map((field) => pair(field.name, field.value))
  }),
  $map: eachElement(
    { notObject: 16878, unknown: 16879, input: 16880, notArray: 16883 },
    { in: 16882 },
    (_, result) => [result ?? null],
  ),
  $filter: eachElement(
    { notObject: 28646, unknown: 28647, input: 28648, notArray: 28651 },
    { cond: 28650 },
    (element, result) => (isTrue(result) ? [element] : []),
  ),
}
