// The stage `$group`. Documents belong to one group if MongoDB's order of values calls their keys
// equal, so 1 and 1.0 are one group.
import { Doc } from '../bson/doc.ts'
import { compareValues, keyOf } from '../bson/order.ts'
import { Sum } from '../bson/sum.ts'
import { isDoc } from '../bson/type-of.ts'
import { locationRefusal, refusal } from '../errors.ts'
import { compileExpression } from '../expression/compile.ts'
import { isNullish, type Variables } from '../expression/expression.ts'
import { collected, type Flow } from '../query/flow.ts'

/** Collects the values of one field of one group. */
interface Accumulator {
  /** Adds a value; undefined if it is missing. */
  add(value: unknown): void
  readonly total: unknown
}

const MAX_MEMORY_BYTES = 100 * 1024 * 1024
/** What a group, and each of its accumulators, takes in memory without its key. */
const GROUP_BYTES = 256
const ACCUMULATOR_BYTES = 64

class Extreme implements Accumulator {
  readonly #sign: 1 | -1
  total: unknown = null

  constructor(sign: 1 | -1) {
    this.#sign = sign
  }

  add(value: unknown): void {
    if (isNullish(value)) return
    if (this.total === null || this.#sign * compareValues(value, this.total) < 0) this.total = value
  }
}

/** The accumulators that the engine claims. */
export const accumulators: Readonly<Record<string, () => Accumulator>> = {
  $sum: () => new Sum(),
  $min: () => new Extreme(1),
  $max: () => new Extreme(-1),
}

export function compileGroup(
  operand: unknown,
  variables: Variables,
): (documents: Flow<Doc>) => Flow<Doc> {
  if (!isDoc(operand)) throw locationRefusal(15947, '$group needs an object')
  if (!operand.has('_id')) throw locationRefusal(15955, 'a group specification must include an _id')
  const identify = compileExpression(operand.get('_id'), variables)
  const fields = operand.without('_id').fields.map(({ name, value: spec }) => {
    if (name.includes('.')) throw locationRefusal(40235, `The field name '${name}' contains '.'`)
    if (name.startsWith('$')) throw locationRefusal(40236, `The field name '${name}' has a $`)
    if (!isDoc(spec) || !spec.firstName.startsWith('$'))
      throw locationRefusal(40234, `The field '${name}' must be an accumulator object`)
    if (spec.size > 1) throw locationRefusal(40238, `'${name}' must specify one accumulator`)
    const operator = spec.firstName
    const make = Object.hasOwn(accumulators, operator) ? accumulators[operator] : undefined
    if (!make) throw locationRefusal(15952, `unknown group operator '${operator}'`)
    const given = spec.get(operator)
    if (Array.isArray(given)) throw locationRefusal(40237, `${operator} is a unary operator`)
    return { name, make, operand: compileExpression(given, variables) }
  })
  return (documents) => {
    const groups = new Map<string, { id: unknown; values: Accumulator[] }>()
    let bytes = 0
    const add = (doc: Doc): void => {
      const id = identify.of(doc) ?? null
      const key = keyOf(id).toString('latin1')
      let group = groups.get(key)
      if (!group) {
        groups.set(key, (group = { id, values: fields.map(({ make }) => make()) }))
        bytes += GROUP_BYTES + ACCUMULATOR_BYTES * fields.length + key.length
        if (bytes > MAX_MEMORY_BYTES)
          throw refusal('QueryExceededMemoryLimitNoDiskUseAllowed', '$group needs too much memory')
      }
      for (const [at, { operand: value }] of fields.entries()) group.values[at]!.add(value.of(doc))
    }
    return collected(documents, add, () =>
      groups.values().map(({ id, values }) => {
        const totals = fields.map(({ name }, at) => [name, values[at]!.total] as const)
        return Doc.of([['_id', id], ...totals])
      }),
    )
  }
}
