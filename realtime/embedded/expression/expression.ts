// What an aggregation expression is once it is compiled, and the values of paths.
import type { Doc } from '../bson/doc.ts'
import { BsonUndefined } from '../bson/doc.ts'
import { isDoc, typeOf } from '../bson/type-of.ts'

/**
 * The values of `$$name`: the `let` of the command, and NOW, which is the same throughout a
 * command.
 */
export type Variables = ReadonlyMap<string, unknown>

/** A variable that an operator such as `$map` has bound, and those around it. */
export interface Bound {
  readonly name: string
  readonly value: unknown
  readonly outer: Bound | undefined
}

/** A compiled expression. */
export interface Expression {
  /** Whether the value is the same for all documents. */
  readonly constant: boolean
  /** The value for a document; undefined if it is missing. */
  of(root: Doc, bound?: Bound): unknown
}

/** The names that an expression may use, and how the expressions in it are compiled. */
export interface Scope {
  readonly variables: Variables
  readonly bound: ReadonlySet<string>
  compile(expression: unknown, more?: readonly string[]): Expression
}

/** Compiles the operand of one operator. */
export type OperatorCompiler = (operand: unknown, scope: Scope, name: string) => Expression

export function constantOf(value: unknown): Expression {
  return { constant: true, of: () => value }
}

/** An expression of other expressions. If they are all constant, its value is computed at once. */
export function computed(
  operands: readonly Expression[],
  compute: (values: readonly unknown[]) => unknown,
): Expression {
  if (operands.every(({ constant }) => constant))
    return constantOf(compute(operands.map((operand) => operand.of(undefined as never))))
  return {
    constant: false,
    of: (root, bound) => compute(operands.map((operand) => operand.of(root, bound))),
  }
}

/** Whether a value is null, undefined or missing. */
export function isNullish(value: unknown): boolean {
  return value === undefined || value === null || value === BsonUndefined.value
}

/** The type as error messages say it. */
export function typeName(value: unknown): string {
  return typeOf(value)
}

/**
 * The value at a path by the rules of expressions: an array on the way yields the array of what its
 * objects have at the rest of the path.
 */
export function valueAtPath(value: unknown, path: readonly string[], from = 0): unknown {
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
