// Whether a sparse or partial index contains every document that a query can find. In case of doubt
// the answer is no, and the index is not used.
import { bracketOf, compareValues } from '../bson/order.ts'
import { typeOf } from '../bson/type-of.ts'
import type { Comparison, Filter } from '../query/filter.ts'
import { holds } from '../query/match.ts'
import type { Conjunction, IndexablePredicate } from './bounds.ts'

/** Whether the query's predicates on a field exclude documents without the field. */
export function impliesPresence(predicates: readonly IndexablePredicate[] | undefined): boolean {
  return (predicates ?? []).some((predicate) => {
    if (predicate.kind === 'regex') return true
    if (predicate.kind === 'in') return !predicate.values.includes(null)
    return predicate.value !== null
  })
}

/** Whether every document that the query finds also matches `partial`. */
export function implies(query: Conjunction, partial: Filter): boolean {
  if (partial.kind === 'and') return partial.filters.every((part) => implies(query, part))
  const predicates = 'path' in partial ? query.predicates.get(partial.path) : undefined
  return (predicates ?? []).some((predicate) => predicateImplies(predicate, partial))
}

function predicateImplies(predicate: IndexablePredicate, partial: Filter): boolean {
  if (partial.kind === 'exists') return impliesPresence([predicate])
  if (predicate.kind === 'regex') return false
  const values = predicate.kind === 'in' ? predicate.values : [predicate.value]
  if (predicate.kind === 'in' && predicate.patterns.length > 0) return false
  if (values.some((value) => value === null || Array.isArray(value))) return false
  const isPoint = predicate.kind === 'in' || predicate.op === 'eq'
  if (partial.kind === 'type')
    return (
      isPoint && values.every((value) => partial.types.has(typeOf(value)) && !isNumberLike(value))
    )
  if (partial.kind !== 'compare' || partial.value === null) return false
  if (isPoint) return values.every((value) => withinRange(value, partial.op, partial.value))
  return (
    predicate.op[0] === partial.op[0] &&
    withinRange(values[0], impliedOperator(predicate.op, partial.op), partial.value)
  )
}

/**
 * A number that equals 5 may be stored as an int, a long or a double, so equality with a number
 * implies no `$type`.
 */
function isNumberLike(value: unknown): boolean {
  return bracketOf(value) === bracketOf(0)
}

/**
 * The comparison that the query's limit itself must satisfy. `> 5` implies `> 5` as well as `>= 5`,
 * but `>= 5` only implies `>= 5`.
 */
function impliedOperator(query: Comparison, partial: Comparison): Comparison {
  if (query === 'gt' && partial === 'gt') return 'gte'
  return query === 'lt' && partial === 'lt' ? 'lte' : partial
}

function withinRange(value: unknown, op: Comparison, limit: unknown): boolean {
  return bracketOf(value) === bracketOf(limit) && holds[op](compareValues(value, limit))
}
