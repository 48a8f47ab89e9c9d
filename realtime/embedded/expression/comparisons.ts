// Operators that compare, and those that choose between values.
import { Int32 } from 'bson'
import { Doc } from '../bson/doc.ts'
import { isNumeric } from '../bson/numbers.ts'
import { compareValues } from '../bson/order.ts'
import { isDoc, typeOf } from '../bson/type-of.ts'
import { locationRefusal, refusal } from '../errors.ts'
import {
  constantOf,
  isNullish,
  typeName,
  type Bound,
  type Expression,
  type OperatorCompiler,
} from './expression.ts'
import { any, exactly, named, operandsOf } from './operands.ts'
import { isTrue } from './truth.ts'

/** The order of values in expressions: a missing one sorts below null. */
export function compareInExpression(a: unknown, b: unknown): number {
  if (a === undefined || b === undefined) {
    if (a === b) return 0
    const [sign, other] = a === undefined ? [-1, b] : [1, a]
    return typeOf(other) === 'minKey' ? -sign : sign
  }
  return compareValues(a, b)
}

const comparing = (verdict: (order: number) => unknown): OperatorCompiler =>
  exactly(2, ([a, b]) => verdict(compareInExpression(a, b)))

/** An operator that doesn't evaluate all its operands. */
const lazy = (parts: readonly Expression[], of: Expression['of']): Expression =>
  parts.every(({ constant }) => constant) ? constantOf(of(Doc.empty)) : { constant: false, of }

export const comparisonOperators: Record<string, OperatorCompiler> = {
  $eq: comparing((order) => order === 0),
  $ne: comparing((order) => order !== 0),
  $gt: comparing((order) => order > 0),
  $gte: comparing((order) => order >= 0),
  $lt: comparing((order) => order < 0),
  $lte: comparing((order) => order <= 0),
  $cmp: comparing((order) => new Int32(Math.sign(order))),
  $type: exactly(1, ([value]) => typeName(value)),
  $isNumber: exactly(1, ([value]) => isNumeric(value)),
  $not: exactly(1, ([value]) => !isTrue(value)),
  $and(operand, scope) {
    const parts = operandsOf(operand, scope)
    return lazy(parts, (root, bound) => parts.every((part) => isTrue(part.of(root, bound))))
  },
  $or(operand, scope) {
    const parts = operandsOf(operand, scope)
    return lazy(parts, (root, bound) => parts.some((part) => isTrue(part.of(root, bound))))
  },
  $ifNull(operand, scope) {
    const parts = operandsOf(operand, scope)
    if (parts.length < 2)
      throw locationRefusal(1257300, `$ifNull needs at least two arguments, had: ${parts.length}`)
    return lazy(parts, (root, bound) => {
      let value: unknown
      for (const part of parts) {
        value = part.of(root, bound)
        if (!isNullish(value)) return value
      }
      return value
    })
  },
  $cond(operand, scope, name) {
    const given = isDoc(operand)
      ? named(operand, ['if', 'then', 'else'], 17083, name)
      : listed(operand, name)
    if (!('if' in given)) throw locationRefusal(17080, "Missing 'if' parameter to $cond")
    if (!('then' in given)) throw locationRefusal(17080, "Missing 'then' parameter to $cond")
    if (!('else' in given)) throw locationRefusal(17081, "Missing 'else' parameter to $cond")
    const [test, then, other] = [given.if, given.then, given.else].map((part) =>
      scope.compile(part),
    ) as [Expression, Expression, Expression]
    return lazy([test, then, other], (root, bound) =>
      (isTrue(test.of(root, bound)) ? then : other).of(root, bound),
    )
  },
  $switch(operand, scope, name) {
    const given = named(operand, ['branches', 'default'], 40067, name, 40060)
    if (given.branches !== undefined && !Array.isArray(given.branches))
      throw locationRefusal(40061, "$switch expected an array for 'branches'")
    const branches = ((given.branches ?? []) as unknown[]).map((branch) => {
      const { case: test, then } = named(branch, ['case', 'then'], 40063, name, 40062)
      if (test === undefined)
        throw locationRefusal(40064, "$switch requires each branch have a 'case' expression")
      if (then === undefined)
        throw locationRefusal(40065, "$switch requires each branch have a 'then' expression.")
      return [scope.compile(test), scope.compile(then)] as const
    })
    if (branches.length === 0) throw locationRefusal(40068, '$switch requires at least one branch.')
    const other = 'default' in given ? scope.compile(given.default) : undefined
    return {
      constant: false,
      of(root, bound) {
        const found = branches.find(([test]) => isTrue(test.of(root, bound)))
        if (found) return found[1].of(root, bound)
        if (other) return other.of(root, bound)
        throw locationRefusal(
          40066,
          '$switch could not find a matching branch for an input, and no default was specified.',
        )
      },
    }
  },
  $let(operand, scope, name) {
    const given = named(operand, ['vars', 'in'], 16875, name, 16874)
    if (!('vars' in given)) throw locationRefusal(16876, "Missing 'vars' parameter to $let")
    if (!('in' in given)) throw locationRefusal(16877, "Missing 'in' parameter to $let")
    if (!isDoc(given.vars))
      throw refusal('TypeMismatch', 'invalid parameter: expected an object (vars)')
    const vars = given.vars.fields.map(
      (field) => [checkedVariable(field.name), scope.compile(field.value)] as const,
    )
    const inner = scope.compile(
      given.in,
      vars.map(([variable]) => variable),
    )
    return {
      constant: false,
      of(root, bound) {
        let all: Bound | undefined = bound
        for (const [variable, value] of vars)
          all = { name: variable, value: value.of(root, bound), outer: all }
        return inner.of(root, all)
      },
    }
  },
  $mergeObjects: any((values) => {
    let result = Doc.empty
    for (const value of values) {
      if (isNullish(value)) continue
      if (!isDoc(value))
        throw locationRefusal(
          40400,
          `$mergeObjects requires object inputs, but input is of type ${typeOf(value)}`,
        )
      for (const field of value.fields) result = result.with(field.name, field.value)
    }
    return result
  }),
}

function listed(operand: unknown, name: string): { if: unknown; then: unknown; else: unknown } {
  const list: unknown[] = Array.isArray(operand) ? operand : [operand]
  if (list.length === 3) return { if: list[0], then: list[1], else: list[2] }
  throw locationRefusal(
    16020,
    `Expression ${name} takes exactly 3 arguments. ${list.length} were passed in.`,
  )
}

/** Refuses the name of a variable that can't be defined. */
export function checkedVariable(name: string): string {
  if (name === '') throw refusal('FailedToParse', 'empty variable names are not allowed')
  if (!/^(?:[a-z\u0080-\u{10ffff}][\w\u0080-\u{10ffff}]*|CURRENT)$/u.test(name))
    throw refusal(
      'FailedToParse',
      `'${name}' starts with an invalid character for a user variable name`,
    )
  if (name === 'CURRENT') throw refusal('NotImplemented', 'defining CURRENT is not supported')
  return name
}
