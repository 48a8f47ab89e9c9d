// The comparison operators of expressions, by MongoDB's order of values. They replace mingo's,
// which only approximate that order.
import { evalExpr } from 'mingo/core'
import type { Options } from 'mingo/types'
import { compareValues } from '../bson/order.ts'
import { locationRefusal } from '../errors.ts'

type Operator = (doc: unknown, operand: unknown, options: Options) => unknown

/**
 * The order of values in expressions. It differs from that of queries in one point: a missing field
 * sorts below null.
 */
function compareInExpression(a: unknown, b: unknown): number {
  if (a === undefined || b === undefined) {
    if (a === b) return 0
    return a === undefined ? -1 : 1
  }
  return compareValues(a, b)
}

function comparing(name: string, verdict: (order: number) => unknown): Operator {
  return (doc, operand, options) => {
    if (!Array.isArray(operand) || operand.length !== 2) {
      const given = Array.isArray(operand) ? operand.length : 1
      throw locationRefusal(
        16020,
        `Expression ${name} takes exactly 2 arguments. ${given} were passed in.`,
      )
    }
    const [a, b] = operand.map((side: unknown) => evalExpr(doc, side, options))
    return verdict(compareInExpression(a, b))
  }
}

/** The operators that replace mingo's. */
export const exactOperators: Record<string, Operator> = {
  $eq: comparing('$eq', (order) => order === 0),
  $ne: comparing('$ne', (order) => order !== 0),
  $gt: comparing('$gt', (order) => order > 0),
  $gte: comparing('$gte', (order) => order >= 0),
  $lt: comparing('$lt', (order) => order < 0),
  $lte: comparing('$lte', (order) => order <= 0),
  $cmp: comparing('$cmp', (order) => Math.sign(order)),
}
