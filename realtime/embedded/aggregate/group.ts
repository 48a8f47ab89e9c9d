// The stage `$group`. Documents belong to one group if MongoDB's order of values calls their keys
// equal, so 1 and 1.0 are one group. Accumulators that only pick or collect values are implemented
// here, because they must return exactly what was stored; the others are mingo's.
import { Context } from 'mingo/core'
import * as accumulators from 'mingo/operators/accumulator'
import * as expressionOperators from 'mingo/operators/expression'
import type { Options } from 'mingo/types'
import { isDoc, setField, type Doc } from '../bson/codec.ts'
import { compareValues, keyOf } from '../bson/order.ts'
import { locationRefusal, refusal } from '../errors.ts'
import { compileExpression, type Expression, type Variables } from '../query/expression.ts'
import { toBsonNumbers, toPlainNumbers } from '../query/number-types.ts'

type Accumulate = (documents: readonly Doc[]) => unknown
type MingoAccumulator = (
  documents: readonly unknown[],
  operand: unknown,
  options: Partial<Options>,
) => unknown

const mingoAccumulators = accumulators as unknown as Record<string, MingoAccumulator | undefined>
const context = Context.init({
  accumulator: accumulators as never,
  expression: expressionOperators as never,
})

export function compileGroup(
  operand: unknown,
  variables: Variables,
): (documents: Iterable<Doc>) => Iterable<Doc> {
  if (!isDoc(operand))
    throw locationRefusal(15947, "a group's fields must be specified in an object")
  if (!('_id' in operand)) throw locationRefusal(15955, 'a group specification must include an _id')
  const identify = compileExpression(operand._id, variables)
  const fields = Object.entries(operand)
    .filter(([name]) => name !== '_id')
    .map(([name, spec]) => [name, accumulatorOf(name, spec, variables)] as const)
  return function* (documents) {
    const groups = new Map<string, { id: unknown; members: Doc[] }>()
    for (const doc of documents) {
      const id = identify(doc) ?? null
      const key = keyOf(id).toString('latin1')
      const group = groups.get(key)
      if (group) group.members.push(doc)
      else groups.set(key, { id, members: [doc] })
    }
    for (const { id, members } of groups.values()) {
      const result: Doc = { _id: id }
      for (const [name, accumulate] of fields) setField(result, name, accumulate(members) ?? null)
      yield result
    }
  }
}

/** Accumulators whose operand is a single expression. */
const singleOperandAccumulators = new Set([
  '$sum',
  '$avg',
  '$stdDevPop',
  '$stdDevSamp',
  '$mergeObjects',
])

function accumulatorOf(name: string, spec: unknown, variables: Variables): Accumulate {
  if (name.includes('.'))
    throw locationRefusal(40235, `The field name '${name}' cannot contain '.'`)
  const [operator, ...others] = isDoc(spec) ? Object.keys(spec) : []
  if (!isDoc(spec) || operator === undefined || !operator.startsWith('$')) {
    throw locationRefusal(40234, `The field '${name}' must be an accumulator object`)
  }
  if (others.length > 0)
    throw locationRefusal(40238, `The field '${name}' must specify one accumulator`)
  if (operator === '$count') return (members) => toBsonNumbers(members.length)
  const exact = exactAccumulator(operator, spec[operator], variables)
  if (exact) return exact
  const accumulate = operator === '$accumulator' ? undefined : mingoAccumulators[operator]
  if (!accumulate) throw locationRefusal(15952, `unknown group operator '${operator}'`)
  const simple = singleOperandAccumulators.has(operator)
  const evaluate = simple ? compileExpression(spec[operator], variables) : undefined
  const operand = simple ? '$value' : toPlainNumbers(spec[operator])
  const input = (member: Doc): unknown =>
    evaluate ? { value: toPlainNumbers(evaluate(member)) } : toPlainNumbers(member)
  const options = {
    context,
    variables: toPlainNumbers(variables) as Record<string, unknown>,
  } as Partial<Options>
  return (members) => {
    try {
      return toBsonNumbers(accumulate(members.map(input), operand, options))
    } catch (error) {
      throw refusal('BadValue', error instanceof Error ? error.message : String(error))
    }
  }
}

/**
 * Accumulators that only pick or collect values, and therefore return them with their BSON types.
 */
function exactAccumulator(
  operator: string,
  operand: unknown,
  variables: Variables,
): Accumulate | undefined {
  if (!['$first', '$last', '$push', '$addToSet', '$min', '$max'].includes(operator))
    return undefined
  const evaluate: Expression = compileExpression(operand, variables)
  const present = (members: readonly Doc[]): unknown[] =>
    members.map(evaluate).filter((value) => value !== undefined)
  switch (operator) {
    case '$first':
      return (members) => evaluate(members[0]!)
    case '$last':
      return (members) => evaluate(members.at(-1)!)
    case '$push':
      return present
    case '$addToSet':
      return (members) => [
        ...new Map(
          present(members).map((value) => [keyOf(value).toString('latin1'), value]),
        ).values(),
      ]
    default: {
      const sign = operator === '$min' ? 1 : -1
      return (members) =>
        present(members)
          .filter((value) => value !== null)
          .reduce(
            (best, value) =>
              best === undefined || sign * compareValues(value, best) < 0 ? value : best,
            undefined,
          )
    }
  }
}
