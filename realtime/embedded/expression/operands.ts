// How operators take their operands: a number of them in an array, or named ones in a document.
import { isDoc } from '../bson/type-of.ts'
import { locationRefusal } from '../errors.ts'
import {
  computed,
  isNullish,
  type Expression,
  type OperatorCompiler,
  type Scope,
} from './expression.ts'

type Compute = (values: readonly unknown[], name: string) => unknown

/** Compiles a list of operands. A single operand need not be in an array. */
export function operandsOf(operand: unknown, scope: Scope): Expression[] {
  const list: unknown[] = Array.isArray(operand) ? operand : [operand]
  return list.map((item) => scope.compile(item))
}

/** An operator with exactly `count` operands. */
export function exactly(count: number, compute: Compute): OperatorCompiler {
  return (operand, scope, name) => {
    const operands = operandsOf(operand, scope)
    if (operands.length !== count)
      throw locationRefusal(
        16020,
        `Expression ${name} takes exactly ${count} arguments. ${operands.length} were passed in.`,
      )
    return computed(operands, (values) => compute(values, name))
  }
}

/** An operator with `min` to `max` operands. */
export function between(min: number, max: number, compute: Compute): OperatorCompiler {
  return (operand, scope, name) => {
    const operands = operandsOf(operand, scope)
    if (operands.length < min || operands.length > max)
      throw locationRefusal(
        28667,
        `Expression ${name} takes at least ${min} arguments, and at most ${max}, but ${operands.length} were passed in.`,
      )
    return computed(operands, (values) => compute(values, name))
  }
}

/** An operator with any number of operands. */
export function any(compute: Compute): OperatorCompiler {
  return (operand, scope, name) =>
    computed(operandsOf(operand, scope), (values) => compute(values, name))
}

/** An operator with one operand; null yields null. */
export function one(compute: (value: unknown, name: string) => unknown): OperatorCompiler {
  return exactly(1, ([value], name) => (isNullish(value) ? null : compute(value, name)))
}

/** Named operands: those that are given, compiled. Other names are refused with `code`. */
export function named<Name extends string>(
  operand: unknown,
  names: readonly Name[],
  code: number,
  operator: string,
  notAnObject = code,
): Partial<Record<Name, unknown>> {
  if (!isDoc(operand))
    throw locationRefusal(notAnObject, `${operator} only supports an object as its argument`)
  const found: Partial<Record<Name, unknown>> = {}
  for (const { name, value } of operand.fields) {
    const known = names.find((candidate) => candidate === name)
    if (!known) throw locationRefusal(code, `Unrecognized parameter to ${operator}: ${name}`)
    found[known] = value
  }
  return found
}
