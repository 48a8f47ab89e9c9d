// The stage `$group`. Documents belong to one group if MongoDB's order of values calls their keys
// equal, so 1 and 1.0 are one group.
import { Int32 } from 'bson'
import { Doc } from '../bson/doc.ts'
import { valueBytes } from '../bson/encode.ts'
import { compareValues, keyOf } from '../bson/order.ts'
import { Sum } from '../bson/sum.ts'
import { isDoc } from '../bson/type-of.ts'
import { locationRefusal, refusal } from '../errors.ts'
import { compileExpression } from '../expression/compile.ts'
import { isNullish, type Expression, type Variables } from '../expression/expression.ts'
import { stageOf, type StreamStage } from './flow.ts'

/** Collects the values of one field of one group. */
interface Accumulator {
  /** Adds a value; undefined if it is missing. */
  add(value: unknown): void
  result(): unknown
}

const MAX_MEMORY_BYTES = 100 * 1024 * 1024
/** What a group, and each of its accumulators, takes in memory without their values. */
const GROUP_BYTES = 256
const ACCUMULATOR_BYTES = 64

const summing = (result: (sum: Sum) => unknown) => (): Accumulator => {
  const sum = new Sum()
  return { add: (value) => sum.add(value), result: () => result(sum) }
}

/** An accumulator that keeps one of the values. A missing one counts as null. */
const keeping =
  (isBetter: (value: unknown, kept: unknown, isFirst: boolean) => boolean) => (): Accumulator => {
    let [kept, isFirst]: [unknown, boolean] = [null, true]
    return {
      add(value) {
        if (isBetter(value, kept, isFirst)) kept = value ?? null
        isFirst = false
      },
      result: () => kept,
    }
  }

const extreme = (sign: 1 | -1) =>
  keeping(
    (value, kept) => !isNullish(value) && (kept === null || sign * compareValues(value, kept) < 0),
  )

const collecting = (isDistinct: boolean) => (): Accumulator => {
  const values = new Map<unknown, unknown>()
  return {
    add(value) {
      if (value === undefined) return
      const key = isDistinct ? keyOf(value).toString('latin1') : values.size
      if (!values.has(key)) values.set(key, value)
    },
    result: () => [...values.values()],
  }
}

const makers: Record<string, () => Accumulator> = {
  $sum: summing((sum) => sum.total),
  $avg: summing((sum) => sum.average),
  $min: extreme(1),
  $max: extreme(-1),
  $first: keeping((_, __, isFirst) => isFirst),
  $last: keeping(() => true),
  $push: collecting(false),
  $addToSet: collecting(true),
}

/** The accumulators that the engine claims. `$count` is a sum of ones. */
export const accumulatorNames = [...Object.keys(makers), '$count']

interface GroupField {
  readonly name: string
  readonly make: () => Accumulator
  readonly operand: Expression
  readonly collects: boolean
}

export function compileGroup(operand: unknown, variables: Variables): StreamStage {
  if (!isDoc(operand))
    throw locationRefusal(15947, "a group's fields must be specified in an object")
  if (!operand.has('_id')) throw locationRefusal(15955, 'a group specification must include an _id')
  const identify = compileExpression(operand.get('_id'), variables)
  const fields = operand.fields
    .filter(({ name }) => name !== '_id')
    .map(({ name, value }) => fieldOf(name, value, variables))
  return stageOf(() => {
    const groups = new Map<string, { id: unknown; accumulators: Accumulator[] }>()
    let bytes = 0
    return {
      each(doc) {
        const id = identify.of(doc) ?? null
        const key = keyOf(id).toString('latin1')
        let group = groups.get(key)
        if (!group) {
          groups.set(key, (group = { id, accumulators: fields.map(({ make }) => make()) }))
          bytes += GROUP_BYTES + ACCUMULATOR_BYTES * fields.length + key.length
        }
        for (const [at, { operand: value, collects }] of fields.entries()) {
          const added = value.of(doc)
          if (collects && added !== undefined) bytes += valueBytes(added).length
          group.accumulators[at]!.add(added)
        }
        if (bytes <= MAX_MEMORY_BYTES) return []
        throw refusal(
          'QueryExceededMemoryLimitNoDiskUseAllowed',
          "Exceeded memory limit for $group, but didn't allow external sort. Pass allowDiskUse:true to opt in.",
        )
      },
      end: () =>
        groups
          .values()
          .map(({ id, accumulators }) =>
            Doc.of([
              ['_id', id],
              ...accumulators.map((made, at) => [fields[at]!.name, made.result()] as const),
            ]),
          ),
    }
  })
}

function fieldOf(name: string, spec: unknown, variables: Variables): GroupField {
  if (name.includes('.'))
    throw locationRefusal(40235, `The field name '${name}' cannot contain '.'`)
  if (name.startsWith('$'))
    throw locationRefusal(40236, `The field name '${name}' cannot be an operator name`)
  if (!isDoc(spec) || !spec.firstName.startsWith('$'))
    throw locationRefusal(40234, `The field '${name}' must be an accumulator object`)
  if (spec.size > 1)
    throw locationRefusal(40238, `The field '${name}' must specify one accumulator`)
  const operator = spec.firstName
  const operand = spec.get(operator)
  if (operator === '$count') {
    if (!isDoc(operand) || operand.size > 0)
      throw refusal('TypeMismatch', '$count takes no arguments, i.e. $count:{}')
    const one = compileExpression(new Int32(1))
    return { name, make: makers.$sum!, operand: one, collects: false }
  }
  const make = Object.hasOwn(makers, operator) ? makers[operator] : undefined
  if (!make) throw locationRefusal(15952, `unknown group operator '${operator}'`)
  if (Array.isArray(operand))
    throw locationRefusal(40237, `The ${operator} accumulator is a unary operator`)
  const collects = operator === '$push' || operator === '$addToSet'
  return { name, make, operand: compileExpression(operand, variables), collects }
}
