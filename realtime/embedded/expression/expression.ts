// Aggregation expressions. An operator that isn't known here is refused when the command is parsed.
// Ints, longs and doubles are kept apart; arithmetic on decimals is refused.
import { Int32 } from 'bson'
import { Doc } from '../bson/doc.ts'
import { isNumeric, Sum, toBigInt, toNumber } from '../bson/numbers.ts'
import { compareValues } from '../bson/order.ts'
import { isDoc, typeOf } from '../bson/type-of.ts'
import { locationRefusal, refusal } from '../errors.ts'

/** The values of `$$name`: the `let` of the command, and its one NOW. */
export type Variables = ReadonlyMap<string, unknown>

/** A variable that `$map` or `$filter` has bound, and those around it. */
export interface Bound {
  readonly name: string
  readonly value: unknown
  readonly outer: Bound | undefined
}

export interface Expression {
  /** Whether the value is the same for all documents. */
  readonly constant: boolean
  of(root: Doc, bound?: Bound): unknown
}

/** Compiles an expression in an operator's operand, which may use one variable more. */
export type CompileInner = (expression: unknown, variable?: string) => Expression

export type OperatorCompiler = (operand: unknown, compile: CompileInner, name: string) => Expression

function constantOf(value: unknown): Expression {
  return { constant: true, of: () => value }
}

/** An expression of others. If they are all constant, its value is computed at once. */
function composed(parts: readonly Expression[], of: Expression['of']): Expression {
  const isConstant = parts.every(({ constant }) => constant)
  return isConstant ? constantOf(of(undefined as never)) : { constant: false, of }
}

function computed(
  parts: readonly Expression[],
  compute: (values: readonly unknown[]) => unknown,
): Expression {
  return composed(parts, (root, bound) => compute(parts.map((part) => part.of(root, bound))))
}

/** Whether a value is null or missing. */
export function isNullish(value: unknown): boolean {
  return value === undefined || value === null
}

/** Every value counts as true except false, null, missing and numeric zero. */
export function isTrue(value: unknown): boolean {
  return !isNullish(value) && value !== false && toNumber(value) !== 0
}

/** The value at a path: an array on the way yields the array of what its objects have there. */
function valueAtPath(value: unknown, path: readonly string[], from = 0): unknown {
  let current = value
  for (let at = from; at < path.length; at++) {
    if (Array.isArray(current)) {
      return current
        .filter((item) => isDoc(item))
        .map((item) => valueAtPath(item, path, at))
        .filter((item) => item !== undefined)
    }
    if (!isDoc(current)) return undefined
    current = current.get(path[at]!)
  }
  return current
}

export function compileExpression(
  expression: unknown,
  variables: Variables = new Map(),
  bound: ReadonlySet<string> = new Set(),
): Expression {
  const compile: CompileInner = (inner, variable) =>
    compileExpression(inner, variables, variable ? new Set([...bound, variable]) : bound)
  if (typeof expression === 'string') return compileText(expression, variables, bound)
  if (Array.isArray(expression)) {
    const items = expression.map((item: unknown) => compile(item))
    return computed(items, (values) => values.map((value) => value ?? null))
  }
  if (!isDoc(expression)) return constantOf(expression)
  if (expression.firstName.startsWith('$')) return compileOperator(expression, compile)
  const names = expression.fields.map(({ name }) => checkedName(name))
  const values = expression.fields.map(({ value }) => compile(value))
  return computed(values, (found) => {
    const fields = found.map((value, at) => [names[at]!, value] as const)
    return Doc.of(fields.filter(([, value]) => value !== undefined))
  })
}

function compileOperator(expression: Doc, compile: CompileInner): Expression {
  const name = expression.firstName
  if (expression.size !== 1)
    throw locationRefusal(15983, `An object with ${name} must have exactly one field`)
  if (Object.hasOwn(operators, name)) return operators[name]!(expression.get(name), compile, name)
  throw refusal('InvalidPipelineOperator', `Unrecognized expression '${name}'`)
}

function checkedName(name: string): string {
  if (name.includes('.'))
    throw locationRefusal(16412, `FieldPath field names may not contain '.': ${name}`)
  if (name.startsWith('$'))
    throw locationRefusal(16410, "FieldPath field names may not start with '$'.")
  return name
}

function compileText(text: string, variables: Variables, bound: ReadonlySet<string>): Expression {
  if (!text.startsWith('$')) return constantOf(text)
  if (!text.startsWith('$$')) {
    if (text === '$') throw locationRefusal(16872, "'$' by itself is not a valid FieldPath")
    const path = text.slice(1).split('.')
    checkPath(path)
    return { constant: false, of: (root) => valueAtPath(root, path) }
  }
  const [name, ...rest] = text.slice(2).split('.') as [string, ...string[]]
  if (rest.length > 0) checkPath(rest)
  if (bound.has(name))
    return { constant: false, of: (_, found) => valueAtPath(valueOf(name, found), rest) }
  if (name === 'ROOT' || name === 'CURRENT')
    return { constant: false, of: (root) => valueAtPath(root, rest) }
  if (name === 'REMOVE') return constantOf(undefined)
  if (!variables.has(name)) throw locationRefusal(17276, `Use of undefined variable: ${name}`)
  return constantOf(valueAtPath(variables.get(name), rest))
}

function valueOf(name: string, bound: Bound | undefined): unknown {
  return bound?.name === name ? bound.value : bound && valueOf(name, bound.outer)
}

export function checkPath(path: readonly string[]): void {
  if (path.at(-1) === '') throw locationRefusal(40353, "FieldPath must not end with a '.'.")
  if (path.includes('')) throw locationRefusal(15998, 'FieldPath field names may not be empty.')
  if (path.some((part) => part.startsWith('$')))
    throw locationRefusal(16410, "FieldPath field names may not start with '$'.")
  if (path.some((part) => part.includes('\0')))
    throw locationRefusal(16411, 'FieldPath field names may not contain null bytes.')
}

function operandsOf(operand: unknown, compile: CompileInner): Expression[] {
  const list: unknown[] = Array.isArray(operand) ? operand : [operand]
  return list.map((item) => compile(item))
}

/** An operator with `count` operands, or with any number. */
function taking(
  count: number | 'any',
  compute: (values: readonly unknown[]) => unknown,
): OperatorCompiler {
  return (operand, compile, name) => {
    const operands = operandsOf(operand, compile)
    if (count === 'any' || operands.length === count) return computed(operands, compute)
    throw locationRefusal(16020, `${name} takes ${count} arguments, not ${operands.length}`)
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

function named(
  operand: unknown,
  operator: string,
  codes: { notObject: number; unknown: number } & Record<string, number>,
): Record<string, unknown> {
  const { notObject, unknown, ...required } = codes
  if (!isDoc(operand)) throw locationRefusal(notObject, `${operator} needs an object`)
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
    else throw refusal('TypeMismatch', `$add needs numbers or dates, not ${typeOf(value)}`)
  }
  return date ? laterBy(date, sum.total) : sum.total
}

/** A date moved by a number of milliseconds, which is rounded half up. */
function laterBy(date: Date, by: unknown): Date {
  const number = toNumber(by)!
  if (Number.isFinite(number)) {
    const rounded = Math.sign(number) * Math.round(Math.abs(number))
    const added = typeOf(by) === 'double' ? BigInt(rounded) : toBigInt(by)
    const ms = BigInt(date.getTime()) + added
    const result = new Date(Number(ms))
    if (!Number.isNaN(result.getTime())) return result
    if (ms === BigInt.asIntN(64, ms))
      throw refusal('NotImplemented', "a date beyond JavaScript's is not supported")
  }
  throw refusal('Overflow', 'date overflow')
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
  taking(2, ([a, b]) => verdict(compare(a, b)))

const cond: OperatorCompiler = (operand, compile, name) => {
  const codes = { notObject: 16020, unknown: 17083, if: 17080, then: 17080, else: 17081 }
  const given = isDoc(operand) ? named(operand, name, codes) : undefined
  const parts = operandsOf(given ? [given.if, given.then, given.else] : operand, compile)
  const [test, then, other] = parts
  if (!test || !then || !other || parts.length > 3)
    throw locationRefusal(16020, `${name} takes 3 arguments, not ${parts.length}`)
  return composed(parts, (root, bound) =>
    (isTrue(test.of(root, bound)) ? then : other).of(root, bound),
  )
}

function notAnArray(code: number, operator: string, value: unknown): Error {
  return locationRefusal(code, `${operator} needs an array, not ${typeOf(value)}`)
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

export const operators: Readonly<Record<string, OperatorCompiler>> = {
  $literal: (operand) => constantOf(operand),
  $add: taking('any', add),
  $eq: comparing((order) => order === 0),
  $ne: comparing((order) => order !== 0),
  $gt: comparing((order) => order > 0),
  $gte: comparing((order) => order >= 0),
  $lt: comparing((order) => order < 0),
  $lte: comparing((order) => order <= 0),
  $cmp: comparing((order) => new Int32(Math.sign(order))),
  $and: lazy((values) => values.every(isTrue)),
  $or: lazy((values) => values.some(isTrue)),
  $not: taking(1, ([value]) => !isTrue(value)),
  $cond: cond,
  $ifNull: lazy((values) => {
    let last: unknown
    for (last of values) if (!isNullish(last)) return last
    return last
  }, 2),
  $type: taking(1, ([value]) => typeOf(value)),
  $isArray: taking(1, ([value]) => Array.isArray(value)),
  $size: taking(1, ([value]) => {
    if (Array.isArray(value)) return new Int32(value.length)
    throw notAnArray(17124, '$size', value)
  }),
  $in: taking(2, ([value, array]) => {
    if (Array.isArray(array)) return array.some((element) => compare(element, value) === 0)
    throw notAnArray(40081, '$in', array)
  }),
  $concatArrays: taking('any', (values) => {
    const other = values.find((value) => !Array.isArray(value))
    if (values.length > 0 && !isNullish(other)) throw notAnArray(28664, '$concatArrays', other)
    return values.every((value) => Array.isArray(value)) ? values.flat() : null
  }),
  $objectToArray: taking(1, ([value]) => {
    if (isNullish(value)) return null
    if (!isDoc(value)) throw locationRefusal(40390, `$objectToArray of ${typeOf(value)}`)
    const pair = (name: string, inner: unknown) => Doc.literal({ k: name, v: inner })
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
