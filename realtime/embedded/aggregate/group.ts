// The stage `$group`. Documents belong to one group if MongoDB's order of values calls their keys
// equal, so 1 and 1.0 are one group.
import { Doc } from '../bson/doc.ts'
import { compareValues, keyOf } from '../bson/order.ts'
import { Sum } from '../bson/sum.ts'
import { isDoc } from '../bson/type-of.ts'
import { locationRefusal, refusal } from '../errors.ts'
import { compileExpression } from '../expression/compile.ts'
import { isNullish, type Expression, type Variables } from '../expression/expression.ts'

/** Collects the values of one field of one group. */
interface Accumulator {
  /** Adds a value; undefined if it is missing. */
  add(value: unknown): void
  result(): unknown
}

const MAX_MEMORY_BYTES = 100 * 1024 * 1024
/** What a group, and each of its accumulators, takes in memory without its key. */
const GROUP_BYTES = 256
const ACCUMULATOR_BYTES = 64

const extreme = (sign: 1 | -1) => (): Accumulator => {
  let kept: unknown = null
  return {
    add(value) {
      if (isNullish(value)) return
      if (kept === null || sign * compareValues(value, kept) < 0) kept = value
    },
    result: () => kept,
  }
}

/** The accumulators that the engine claims. */
export const accumulators: Readonly<Record<string, () => Accumulator>> = {
  $sum: () => {
    const sum = new Sum()
    return { add: (value) => sum.add(value), result: () => sum.total }
  },
  $min: extreme(1),
  $max: extreme(-1),
}

interface GroupSpec {
  readonly id: Expression
  readonly fields: readonly {
    readonly name: string
    readonly make: () => Accumulator
    readonly operand: Expression
  }[]
}

export function parseGroup(operand: unknown, variables: Variables): GroupSpec {
  if (!isDoc(operand))
    throw locationRefusal(15947, "a group's fields must be specified in an object")
  if (!operand.has('_id')) throw locationRefusal(15955, 'a group specification must include an _id')
  const fields = operand.without('_id').fields.map(({ name, value: spec }) => {
    if (name.includes('.')) throw locationRefusal(40235, `The field name '${name}' contains '.'`)
    if (name.startsWith('$'))
      throw locationRefusal(40236, `The field name '${name}' cannot be an operator name`)
    if (!isDoc(spec) || !spec.firstName.startsWith('$'))
      throw locationRefusal(40234, `The field '${name}' must be an accumulator object`)
    if (spec.size > 1)
      throw locationRefusal(40238, `The field '${name}' must specify one accumulator`)
    const operator = spec.firstName
    const given = spec.get(operator)
    const make = Object.hasOwn(accumulators, operator) ? accumulators[operator] : undefined
    if (!make) throw locationRefusal(15952, `unknown group operator '${operator}'`)
    if (Array.isArray(given))
      throw locationRefusal(40237, `The ${operator} accumulator is a unary operator`)
    return { name, make, operand: compileExpression(given, variables) }
  })
  return { id: compileExpression(operand.get('_id'), variables), fields }
}

/** The groups of one run. */
export class Groups {
  readonly #spec: GroupSpec
  readonly #groups = new Map<string, { id: unknown; values: Accumulator[] }>()
  #bytes = 0

  constructor(spec: GroupSpec) {
    this.#spec = spec
  }

  add(doc: Doc): void {
    const { id: identify, fields } = this.#spec
    const id = identify.of(doc) ?? null
    const key = keyOf(id).toString('latin1')
    let group = this.#groups.get(key)
    if (!group) {
      this.#groups.set(key, (group = { id, values: fields.map(({ make }) => make()) }))
      this.#bytes += GROUP_BYTES + ACCUMULATOR_BYTES * fields.length + key.length
      if (this.#bytes > MAX_MEMORY_BYTES)
        throw refusal(
          'QueryExceededMemoryLimitNoDiskUseAllowed',
          'Exceeded memory limit for $group. Groups on disk are not supported.',
        )
    }
    for (const [at, { operand }] of fields.entries()) group.values[at]!.add(operand.of(doc))
  }

  results(): Iterable<Doc> {
    return this.#groups.values().map(({ id, values }) => {
      const fields = this.#spec.fields.map(({ name }, at) => [name, values[at]!.result()] as const)
      return Doc.of([['_id', id], ...fields])
    })
  }
}
