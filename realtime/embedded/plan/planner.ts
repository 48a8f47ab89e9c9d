// Chooses how to answer a filter and a sort: with ranges of one index, with the union of several,
// or with a scan of the collection. The choice depends on nothing but the query and the indexes:
// most equalities first, then a range, then an order that makes the sort unnecessary.
import { isDeepStrictEqual } from 'node:util'
import type { Doc } from '../bson/doc.ts'
import { toNumber } from '../bson/numbers.ts'
import { sameValue } from '../bson/order.ts'
import { isDoc } from '../bson/type-of.ts'
import { refusal } from '../errors.ts'
import { exists, type Filter } from '../query/filter.ts'
import type { SortPattern } from '../query/sort.ts'
import type { Collection, Index } from '../storage/catalog.ts'
import { boundsOf, descendingIntervals, everything, prefixed, type Interval } from './bounds.ts'

/** Ranges of one index in the order in which they are scanned. */
export interface IndexScan {
  readonly index: Index
  readonly intervals: readonly Interval[]
  readonly reverse: boolean
}

/** How a query is answered. Without `scans`, the whole collection is scanned. */
export interface QueryPlan {
  readonly scans: readonly IndexScan[] | undefined
  /** Whether the documents come in the order that the query asks for. */
  readonly sorted: boolean
}

interface Candidate extends IndexScan {
  readonly equalities: number
  readonly ranged: boolean
  readonly sorted: boolean
}

const MAX_INTERVALS = 2000

/** Plans a query. `hint` is the name of an index or a key pattern. */
export function planQuery(
  collection: Collection,
  filter: Filter,
  sort: SortPattern | undefined,
  hint?: unknown,
): QueryPlan {
  const conditions = conditionsOf(filter)
  if (hint !== undefined) return indexPlan(candidateFor(hinted(collection, hint), conditions, sort))
  const [best] = collection.indexes
    .filter((index) => isUsable(index, conditions))
    .map((index) => candidateFor(index, conditions, sort))
    .filter((found) => found.equalities > 0 || found.ranged || (sort && found.sorted))
    .sort((a, b) => rank(b) - rank(a))
  const isNarrow = best && (best.equalities > 0 || best.ranged)
  const scans = isNarrow ? undefined : unionOf(collection, conditions)
  if (best && !scans) return indexPlan(best)
  return { scans, sorted: sort === undefined }
}

function indexPlan(found: Candidate): QueryPlan {
  return { scans: [found], sorted: found.sorted }
}

function rank({ index, equalities, ranged, sorted }: Candidate): number {
  const unique = index.unique && equalities === index.fields.length ? 1000 : 0
  return unique + equalities * 10 + (ranged ? 4 : 0) + (sorted ? 5 : 0)
}

function hinted(collection: Collection, hint: unknown): Index {
  if (isDoc(hint) && hint.has('$natural'))
    throw refusal('NotImplemented', 'the hint $natural is not supported')
  const found = collection.indexes.find(
    ({ builtTo, name, keyPattern }) =>
      builtTo === Infinity && (isDoc(hint) ? samePattern(keyPattern, hint) : name === hint),
  )
  if (found) return found
  throw refusal(
    'BadValue',
    'error processing query: planner returned error :: caused by :: hint provided does not correspond to an existing index',
  )
}

/** Whether two key patterns have the same fields with the same directions in the same order. */
export function samePattern(a: Doc, b: Doc): boolean {
  return (
    a.size === b.size &&
    a.fields.every(({ name, value }, at) => {
      const other = b.fields[at]!
      return other.name === name && toNumber(value) === toNumber(other.value)
    })
  )
}

/** The conditions that a document must meet, all of them. */
function conditionsOf(filter: Filter): Filter[] {
  return filter.kind === 'and' ? filter.filters.flatMap(conditionsOf) : [filter]
}

/** Whether the index can be scanned, and contains every document that meets the conditions. */
function isUsable(index: Index, conditions: readonly Filter[]): boolean {
  if (index.builtTo !== Infinity) return false
  if (index.paths.some((path) => path.some((part) => /^\d+$/.test(part)))) return false
  const isMet = (needed: Filter): boolean => conditions.some((given) => implies(given, needed))
  if (index.sparse && !index.fields.some((path) => isMet(exists(path)))) return false
  return index.partial === undefined || conditionsOf(index.partial.filter).every(isMet)
}

/**
 * Whether a condition of a query says that one of a partial index holds: it is the same, or the
 * field can't be missing. In case of doubt the answer is no, and the index is not used.
 */
function implies(given: Filter, needed: Filter): boolean {
  if (!('path' in given && 'path' in needed) || given.path !== needed.path) return false
  if (needed.kind === 'exists') return excludesMissing(given)
  if (given.kind === 'type' && needed.kind === 'type')
    return isDeepStrictEqual(given.types, needed.types)
  if (given.kind !== 'compare' || needed.kind !== 'compare') return false
  return given.op === needed.op && sameValue(given.value, needed.value)
}

function excludesMissing(given: Filter): boolean {
  if (given.kind === 'in') return !given.values.includes(null)
  return given.kind === 'exists' || (given.kind === 'compare' && given.value !== null)
}

function candidateFor(
  index: Index,
  conditions: readonly Filter[],
  sort: SortPattern | undefined,
): Candidate {
  let intervals: Interval[] = [everything]
  let equalities = 0
  let pinned = 0
  let ranged = false
  let usedArray = false
  for (const [at, field] of index.fields.entries()) {
    const multikey = index.multikey[at] === true
    const bounds = multikey && usedArray ? undefined : boundsOf(conditions, field, multikey)
    if (!bounds || intervals.length * bounds.intervals.length > MAX_INTERVALS) break
    usedArray ||= multikey
    const own = index.descending[at] ? descendingIntervals(bounds.intervals) : bounds.intervals
    intervals = intervals.flatMap(({ from }) => own.map((interval) => prefixed(from, interval)))
    ranged = !bounds.points
    if (ranged) break
    equalities++
    if (pinned === at && own.length === 1) pinned++
  }
  const order = sort ? orderOf(index, pinned, sort) : 'forward'
  const sorted = order !== undefined
  return { index, intervals, reverse: order === 'reverse', equalities, ranged, sorted }
}

/**
 * The direction in which scanning the index gives the sort order; undefined if neither does. Fields
 * that the query pins to one value don't matter for the order.
 */
function orderOf(
  index: Index,
  pinned: number,
  sort: SortPattern,
): 'forward' | 'reverse' | undefined {
  const fixed = new Set(index.fields.slice(0, pinned).filter((_, at) => !index.multikey[at]))
  let at = pinned
  let direction: 'forward' | 'reverse' | undefined
  for (const [sortIndex, field] of sort.fields.entries()) {
    if (fixed.has(field)) continue
    if (index.fields[at] !== field || index.multikey[at]) return undefined
    const needed = sort.descending[sortIndex] === index.descending[at] ? 'forward' : 'reverse'
    if (direction !== undefined && direction !== needed) return undefined
    direction = needed
    at++
  }
  return direction ?? 'forward'
}

/** The scans for an `$or`, if every branch of it has an index. */
function unionOf(
  collection: Collection,
  conditions: readonly Filter[],
): readonly IndexScan[] | undefined {
  const either = conditions.find((condition) => condition.kind === 'or')
  if (either?.kind !== 'or') return undefined
  const rest = conditions.filter((condition) => condition !== either)
  const plans = either.filters.map((branch) =>
    planQuery(collection, { kind: 'and', filters: [...rest, branch] }, undefined),
  )
  if (plans.some(({ scans }) => !scans)) return undefined
  return plans.flatMap(({ scans }) => scans!)
}
