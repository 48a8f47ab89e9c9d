// What an aggregation expression is once it is compiled, and the values of paths.
import type { Doc } from '../bson/doc.ts'
import { toNumber } from '../bson/numbers.ts'
import { isDoc } from '../bson/type-of.ts'

/**
 * The values of `$$name`: the `let` of the command, and NOW, which is the same throughout a
 * command.
 */
export type Variables = ReadonlyMap<string, unknown>

/** A variable that `$map` or `$filter` has bound, and those around it. */
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

/** Compiles an expression in an operator's operand, which may use one variable more. */
export type CompileInner = (expression: unknown, variable?: string) => Expression

/** Compiles the operand of one operator. */
export type OperatorCompiler = (operand: unknown, compile: CompileInner, name: string) => Expression

export function constantOf(value: unknown): Expression {
  return { constant: true, of: () => value }
}

/** An expression of others. If they are all constant, its value is computed at once. */
export function composed(parts: readonly Expression[], of: Expression['of']): Expression {
  const isConstant = parts.every(({ constant }) => constant)
  return isConstant ? constantOf(of(undefined as never)) : { constant: false, of }
}

/** An expression of the values of others. */
export function computed(
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
