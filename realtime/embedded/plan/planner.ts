// Chooses how to answer a filter and a sort: with ranges of one index, with the union of several,
// or with a scan of the collection. The choice depends on nothing but the query and the indexes:
// most equalities first, then a range, then an order that makes the sort unnecessary.
import { isDeepStrictEqual } from 'node:util'
import { MaxKey, MinKey } from 'bson'
import type { Doc } from '../bson/doc.ts'
import { toNumber } from '../bson/numbers.ts'
import { afterPrefix, bracketOf, inverted, keyOf, sameValue } from '../bson/order.ts'
import { isDoc, typeOf } from '../bson/type-of.ts'
import { refusal } from '../errors.ts'
import { allOf, exists, type Filter } from '../query/filter.ts'
import type { Comparison } from '../query/value-tests.ts'
import type { Collection, Index } from '../storage/catalog.ts'
import type { KeyPattern } from '../storage/index-keys.ts'

/** The keys from `from` (inclusive) to `to` (exclusive). */
interface Interval {
  readonly from: Buffer
  readonly to: Buffer
}

/** A range of an index's keys, read from its beginning or its end. */
export interface Range extends Interval {
  readonly index: Index
  readonly reverse: boolean
}

/** How a query is answered. Without `ranges`, the whole collection is scanned. */
export interface QueryPlan {
  readonly ranges: readonly Range[] | undefined
  /** Whether a document may be in several ranges, or several times in one. */
  readonly repeats: boolean
  readonly sorted: boolean
}

/** A plan for one index, and what it makes of the conditions. */
interface Candidate extends QueryPlan {
  readonly index: Index
  readonly ranges: readonly Range[]
  readonly equalities: number
  readonly ranged: boolean
}

/** What a document must meet, all of it. */
type Conditions = readonly Filter[]

const MAX_INTERVALS = 2000

/** Plans a query. `hint` is the name of an index or a key pattern. */
export function planQuery(
  collection: Collection,
  filter: Filter,
  sort?: KeyPattern,
  hint?: unknown,
): QueryPlan {
  const conditions = conditionsOf(filter)
  if (hint !== undefined) return candidateFor(hinted(collection, hint), conditions, sort)
  const [best] = collection.indexes
    .filter((index) => isUsable(index, conditions))
    .map((index) => candidateFor(index, conditions, sort))
    .filter((found) => isNarrow(found) || (sort && found.sorted))
    .sort((a, b) => rank(b) - rank(a))
  const union = best && isNarrow(best) ? undefined : unionOf(collection, conditions)
  if (best && !union) return best
  return { ranges: union, repeats: union !== undefined, sorted: sort === undefined }
}

const isNarrow = ({ equalities, ranged }: Candidate): boolean => equalities > 0 || ranged

function rank({ index, equalities, ranged, sorted }: Candidate): number {
  const unique = index.unique && equalities === index.fields.length ? 1000 : 0
  return unique + equalities * 10 + (ranged ? 4 : 0) + (sorted ? 5 : 0)
}

function hinted({ indexes }: Collection, hint: unknown): Index {
  if (isDoc(hint) && hint.has('$natural'))
    throw refusal('NotImplemented', 'the hint $natural is not supported')
  const found = indexes.find(
    ({ builtTo, name, keyPattern }) =>
      builtTo === Infinity && (isDoc(hint) ? samePattern(keyPattern, hint) : name === hint),
  )
  if (found) return found
  throw refusal('BadValue', 'hint provided does not correspond to an existing index')
}

/** Whether two key patterns have the same fields with the same directions in the same order. */
export function samePattern(a: Doc, b: Doc): boolean {
  const shown = ({ fields }: Doc) => fields.map(({ name, value }) => [name, toNumber(value)])
  return isDeepStrictEqual(shown(a), shown(b))
}

function conditionsOf(filter: Filter): Filter[] {
  return filter.kind === 'and' ? filter.filters.flatMap(conditionsOf) : [filter]
}

/** Whether the index can be scanned, and contains every document that meets the conditions. */
function isUsable(index: Index, conditions: Conditions): boolean {
  if (index.builtTo !== Infinity) return false
  if (index.paths.some((path) => path.some((part) => /^\d+$/.test(part)))) return false
  const isMet = (needed: Filter): boolean => conditions.some((given) => implies(given, needed))
  if (index.sparse && !index.fields.some((path) => isMet(exists(path)))) return false
  return index.partial === undefined || conditionsOf(index.partial).every(isMet)
}

/** Whether a condition says that one of a partial index holds. In case of doubt: no. */
function implies(given: Filter, needed: Filter): boolean {
  if (!('path' in given && 'path' in needed) || given.path !== needed.path) return false
  if (needed.kind === 'exists') {
    if (given.kind === 'in') return !given.values.includes(null)
    return given.kind === 'exists' || (given.kind === 'compare' && given.value !== null)
  }
  if (given.kind === 'type' && needed.kind === 'type')
    return isDeepStrictEqual(given.types, needed.types)
  if (given.kind !== 'compare' || needed.kind !== 'compare') return false
  return given.op === needed.op && sameValue(given.value, needed.value)
}

function candidateFor(index: Index, conditions: Conditions, sort?: KeyPattern): Candidate {
  let intervals: Interval[] = [everything]
  let [equalities, pinned, ranged, usedArray] = [0, 0, false, false]
  for (const [at, field] of index.fields.entries()) {
    const multikey = index.multikey[at] === true
    const bounds = multikey && usedArray ? undefined : boundsOf(conditions, field, multikey)
    if (!bounds || intervals.length * bounds.intervals.length > MAX_INTERVALS) break
    usedArray ||= multikey
    const own = index.descending[at] ? descending(bounds.intervals) : bounds.intervals
    intervals = intervals.flatMap(({ from: prefix }) =>
      own.map(({ from, to }) => ({ from: joined(prefix, from), to: joined(prefix, to) })),
    )
    ranged = !bounds.points
    if (ranged) break
    equalities++
    if (pinned === at && own.length === 1) pinned++
  }
  const order = sort ? orderOf(index, pinned, sort) : 'forward'
  const reverse = order === 'reverse'
  const ranges = intervals.map((interval) => ({ ...interval, index, reverse }))
  if (reverse) ranges.reverse()
  const repeats = index.multikey.some(Boolean)
  return { index, ranges, repeats, sorted: order !== undefined, equalities, ranged }
}

const joined = (prefix: Buffer, key: Buffer): Buffer => Buffer.concat([prefix, key])

type Direction = 'forward' | 'reverse'

/** The direction in which the index gives the sort order. Pinned fields don't matter for it. */
function orderOf(index: Index, pinned: number, sort: KeyPattern): Direction | undefined {
  const fixed = new Set(index.fields.slice(0, pinned).filter((_, at) => !index.multikey[at]))
  let at = pinned
  let direction: Direction | undefined
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

/** The ranges for an `$or`, if every branch of it has an index. */
function unionOf(collection: Collection, conditions: Conditions): QueryPlan['ranges'] {
  const either = conditions.find((condition) => condition.kind === 'or')
  if (either?.kind !== 'or') return undefined
  const rest = conditions.filter((condition) => condition !== either)
  const all = either.filters.map((branch) => planQuery(collection, allOf([...rest, branch])).ranges)
  return all.every((ranges) => ranges !== undefined) ? all.flat() : undefined
}

/**
 * The ranges in which conditions place one field, in ascending order, without overlap. A range is
 * never narrower than its condition, but it may be wider, so the documents in it are matched again.
 */
interface Bounds {
  readonly intervals: readonly Interval[]
  /** Whether every interval is a single value. */
  readonly points: boolean
}

/** All keys: no key begins with the byte 0xff. */
const everything: Interval = { from: Buffer.alloc(0), to: Buffer.from([0xff]) }

/** In a multikey index, bounds aren't intersected: different elements may satisfy them. */
function boundsOf(conditions: Conditions, field: string, multikey: boolean): Bounds | undefined {
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
  const from = Buffer.compare(a.from, b.from) >= 0 ? a.from : b.from
  return { from, to: Buffer.compare(a.to, b.to) <= 0 ? a.to : b.to }
}

const isEmpty = ({ from, to }: Interval): boolean => Buffer.compare(from, to) >= 0

function boundsOfCondition(condition: Filter): Bounds | undefined {
  if (condition.kind === 'in') return pointsAt(condition.values)
  if (condition.kind !== 'compare') return undefined
  if (condition.op === 'eq') return pointsAt([condition.value])
  return range(condition.op, condition.value)
}

function pointsAt(values: readonly unknown[]): Bounds | undefined {
  if (values.some((value) => Array.isArray(value) || typeOf(value) === 'regex')) return undefined
  const keys = values.map((value) => keyOf(value)).sort((a, b) => Buffer.compare(a, b))
  const distinct = keys.filter((key, at) => at === 0 || !key.equals(keys[at - 1]!))
  const intervals = distinct.map((key) => ({ from: key, to: afterPrefix(key) }))
  return { intervals, points: true }
}

const numbers = bracketOf(0)

function range(op: Comparison, value: unknown): Bounds | undefined {
  if (value === null || Array.isArray(value) || value instanceof MinKey || value instanceof MaxKey)
    return undefined
  if (Number.isNaN(toNumber(value))) return undefined
  const [key, bracket] = [keyOf(value), bracketOf(value)]
  const lowest = bracket === numbers ? afterPrefix(keyOf(NaN)) : Buffer.from([bracket])
  const isLower = op === 'gt' || op === 'gte'
  const edge = op === 'gt' || op === 'lte' ? afterPrefix(key) : key
  const from = isLower ? edge : lowest
  const interval = { from, to: isLower ? Buffer.from([bracket + 1]) : edge }
  return { intervals: isEmpty(interval) ? [] : [interval], points: false }
}

/** The same intervals for a descending field. */
function descending(intervals: readonly Interval[]): Interval[] {
  return intervals
    .map(({ from, to }) => ({ from: afterPrefix(inverted(to)), to: afterPrefix(inverted(from)) }))
    .reverse()
}
