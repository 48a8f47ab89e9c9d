// Chooses how to answer a filter and a sort: with ranges of one index, with the union of several,
// or with a scan of the collection. The choice depends on nothing but the query and the indexes:
// most equalities first, then a range, then an order that makes the sort unnecessary.
import { MaxKey, MinKey } from 'bson'
import { isDeepStrictEqual } from 'node:util'
import type { Doc } from '../bson/doc.ts'
import { toNumber } from '../bson/numbers.ts'
import { afterPrefix, bracketOf, inverted, keyOf, sameValue } from '../bson/order.ts'
import { isDoc, typeOf } from '../bson/type-of.ts'
import { refusal } from '../errors.ts'
import { exists, type Filter } from '../query/filter.ts'
import type { SortPattern } from '../query/sort.ts'
import type { Collection, Index } from '../storage/catalog.ts'

export interface IndexScan {
  readonly index: Index
  readonly intervals: readonly Interval[]
  readonly reverse: boolean
}

/** How a query is answered. Without `scans`, the whole collection is scanned. */
export interface QueryPlan {
  readonly scans: readonly IndexScan[] | undefined
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
  throw refusal('BadValue', 'hint provided does not correspond to an existing index')
}

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

/** Whether a condition says that one of a partial index holds. In case of doubt: no. */
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

/** The direction in which the index gives the sort order. Pinned fields don't matter for it. */
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

/** The keys from `from` (inclusive) to `to` (exclusive). */
export interface Interval {
  readonly from: Buffer
  readonly to: Buffer
}

/** The ranges in which conditions place one field. */
export interface FieldBounds {
  /** In ascending order, without overlap. */
  readonly intervals: readonly Interval[]
  readonly points: boolean
}

/** All keys: no key begins with the byte 0xff. */
const everything: Interval = { from: Buffer.alloc(0), to: Buffer.from([0xff]) }

/** In a multikey index, bounds aren't intersected: different elements may satisfy them. */
function boundsOf(
  conditions: readonly Filter[],
  field: string,
  multikey: boolean,
): FieldBounds | undefined {
  const all = conditions
    .filter((condition) => 'path' in condition && condition.path === field)
    .map(boundsOfCondition)
    .filter((bounds) => bounds !== undefined)
  if (multikey || all.length < 2) return all.find(({ points }) => points) ?? all[0]
  return all.reduce((a, b) => ({
    intervals: a.intervals
      .flatMap((one) => b.intervals.map((other) => intersection(one, other)))
      .filter((interval) => !isEmpty(interval)),
    points: a.points || b.points,
  }))
}

function intersection(a: Interval, b: Interval): Interval {
  return {
    from: Buffer.compare(a.from, b.from) >= 0 ? a.from : b.from,
    to: Buffer.compare(a.to, b.to) <= 0 ? a.to : b.to,
  }
}

function isEmpty({ from, to }: Interval): boolean {
  return Buffer.compare(from, to) >= 0
}

function boundsOfCondition(condition: Filter): FieldBounds | undefined {
  if (condition.kind === 'in') return pointsAt(condition.values)
  if (condition.kind !== 'compare') return undefined
  if (condition.op === 'eq') return pointsAt([condition.value])
  return range(condition.op, condition.value)
}

function pointsAt(values: readonly unknown[]): FieldBounds | undefined {
  if (values.some((value) => Array.isArray(value) || typeOf(value) === 'regex')) return undefined
  const keys = values.map((value) => keyOf(value)).sort((a, b) => Buffer.compare(a, b))
  const distinct = keys.filter((key, at) => at === 0 || !key.equals(keys[at - 1]!))
  return {
    intervals: distinct.map((key) => ({ from: key, to: afterPrefix(key) })),
    points: true,
  }
}

const numbers = bracketOf(0)

function range(op: 'gt' | 'gte' | 'lt' | 'lte', value: unknown): FieldBounds | undefined {
  if (value === null || Array.isArray(value) || value instanceof MinKey || value instanceof MaxKey)
    return undefined
  if (Number.isNaN(toNumber(value))) return undefined
  const key = keyOf(value)
  const bracket = bracketOf(value)
  const low = bracket === numbers ? afterPrefix(keyOf(NaN)) : Buffer.from([bracket])
  const high = Buffer.from([bracket + 1])
  const interval =
    op === 'gt' || op === 'gte'
      ? { from: op === 'gt' ? afterPrefix(key) : key, to: high }
      : { from: low, to: op === 'lt' ? key : afterPrefix(key) }
  return { intervals: isEmpty(interval) ? [] : [interval], points: false }
}

function descendingIntervals(intervals: readonly Interval[]): Interval[] {
  return intervals
    .map(({ from, to }) => ({
      from: afterPrefix(inverted(to)),
      to: afterPrefix(inverted(from)),
    }))
    .reverse()
}

function prefixed(prefix: Buffer, { from, to }: Interval): Interval {
  return { from: Buffer.concat([prefix, from]), to: Buffer.concat([prefix, to]) }
}
