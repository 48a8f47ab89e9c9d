// Chooses how to answer a filter and a sort: with ranges of one index, with the union of several,
// or with a scan of the collection. The choice depends on nothing but the query and the indexes:
// most equalities first, then a range, then an order that makes the sort unnecessary.
import type { Doc } from '../bson/doc.ts'
import { toNumber } from '../bson/numbers.ts'
import { isDoc } from '../bson/type-of.ts'
import { refusal } from '../errors.ts'
import type { Filter } from '../query/filter.ts'
import type { SortPattern } from '../query/sort.ts'
import type { Collection, Index } from '../storage/catalog.ts'
import {
  boundsOf,
  conjunctionOf,
  descendingIntervals,
  prefixed,
  type Conjunction,
  type Interval,
} from './bounds.ts'
import { implies, impliesPresence } from './implies.ts'

/** Ranges of one index in the order in which they are scanned. */
export interface IndexScan {
  readonly index: Index
  readonly intervals: readonly Interval[]
  readonly reverse: boolean
}

/** How a query is answered. Without `scans`, the whole collection is scanned in natural order. */
export interface QueryPlan {
  readonly scans: readonly IndexScan[] | undefined
  readonly reverseNatural: boolean
  /** Whether the documents come in the order that the query asks for. */
  readonly sorted: boolean
  /** Whether every document that the scans yield matches the filter. */
  readonly exact: boolean
}

interface Candidate extends IndexScan {
  readonly equalities: number
  readonly ranged: boolean
  readonly sorted: boolean
  readonly exact: boolean
}

const MAX_INTERVALS = 2000

/** Plans a query. `hint` is the name of an index, a key pattern, or `{$natural: ±1}`. */
export function planQuery(
  collection: Collection,
  filter: Filter,
  sort: SortPattern | undefined,
  hint?: unknown,
): QueryPlan {
  const hintedIndex = hint === undefined ? undefined : hinted(collection, hint)
  if (hintedIndex === 'natural')
    return collectionScan(sort, isDoc(hint) && toNumber(hint.get('$natural')) === -1)
  const query = conjunctionOf(filter)
  const indexes = hintedIndex
    ? [hintedIndex]
    : collection.indexes.filter((index) => isUsable(index, query))
  const best = indexes
    .map((index) => candidateFor(index, query, sort))
    .filter(
      (found) =>
        hintedIndex !== undefined ||
        found.equalities > 0 ||
        found.ranged ||
        (sort !== undefined && found.sorted),
    )
    .sort(byRank)[0]
  const union = hintedIndex ? undefined : unionOf(collection, filter, best)
  if (union)
    return { scans: union, reverseNatural: false, sorted: sort === undefined, exact: false }
  if (!best) return collectionScan(sort, false)
  return { scans: [best], reverseNatural: false, sorted: best.sorted, exact: best.exact }
}

function collectionScan(sort: SortPattern | undefined, reverse: boolean): QueryPlan {
  const natural = sort === undefined || sort.fields.length === 0
  return {
    scans: undefined,
    reverseNatural: reverse || sort?.reverseNatural === true,
    sorted: natural,
    exact: false,
  }
}

function byRank(a: Candidate, b: Candidate): number {
  return rank(b) - rank(a)
}

function rank(found: Candidate): number {
  const unique = found.index.unique && found.equalities === found.index.fields.length ? 1000 : 0
  return (
    unique +
    found.equalities * 10 +
    (found.ranged ? 4 : 0) +
    (found.sorted ? 5 : 0) +
    (found.exact ? 1 : 0)
  )
}

function hinted(collection: Collection, hint: unknown): Index | 'natural' {
  if (isDoc(hint) && hint.has('$natural')) return 'natural'
  const ready = collection.indexes.filter(({ builtTo }) => builtTo === Infinity)
  const found = ready.find((index) =>
    typeof hint === 'string'
      ? index.name === hint
      : isDoc(hint) && samePattern(index.keyPattern, hint),
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

function isUsable(index: Index, query: Conjunction): boolean {
  if (index.builtTo !== Infinity) return false
  if (index.paths.some((path) => path.some((part) => /^\d+$/.test(part)))) return false
  if (index.sparse && !index.fields.some((field) => impliesPresence(query.predicates.get(field))))
    return false
  return index.partial === undefined || implies(query, index.partial)
}

function candidateFor(index: Index, query: Conjunction, sort: SortPattern | undefined): Candidate {
  let prefixes: Buffer[] = [Buffer.alloc(0)]
  let intervals: Interval[] | undefined
  let equalities = 0
  let singlePoints = 0
  let ranged = false
  let exact = query.complete
  let usedArray = false
  for (const [at, field] of index.fields.entries()) {
    if (index.multikey[at] && usedArray) break
    const bounds = boundsOf(query.predicates.get(field) ?? [], index.multikey[at] === true)
    if (!bounds) break
    usedArray ||= index.multikey[at] === true
    if (prefixes.length * Math.max(1, bounds.intervals.length) > MAX_INTERVALS) break
    exact &&= bounds.exact
    const own = index.descending[at] ? descendingIntervals(bounds.intervals) : bounds.intervals
    intervals = prefixes.flatMap((prefix) => own.map((interval) => prefixed(prefix, interval)))
    if (!bounds.points) {
      ranged = true
      break
    }
    equalities++
    if (singlePoints === at && own.length === 1) singlePoints++
    prefixes = intervals.map(({ from }) => from)
  }
  const used = equalities + (ranged ? 1 : 0)
  exact &&= used === query.predicates.size && used > 0 && !index.multikey.some(Boolean)
  const order = sort ? orderOf(index, singlePoints, sort) : 'forward'
  return {
    index,
    intervals: intervals ?? [{ from: Buffer.alloc(0), to: undefined }],
    reverse: order === 'reverse',
    equalities,
    ranged,
    sorted: order !== undefined,
    exact,
  }
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
  if (sort.fields.length === 0) return undefined
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

/**
 * The scans for an `$or` of which every branch has an index. They are used if no index serves the
 * whole filter.
 */
function unionOf(
  collection: Collection,
  filter: Filter,
  best: Candidate | undefined,
): IndexScan[] | undefined {
  if (best && (best.equalities > 0 || best.ranged)) return undefined
  const parts = filter.kind === 'and' ? filter.filters : [filter]
  const either = parts.find((part) => part.kind === 'or')
  if (either?.kind !== 'or') return undefined
  const rest = parts.filter((part) => part !== either)
  const scans: IndexScan[] = []
  for (const branch of either.filters) {
    const { scans: found } = planQuery(
      collection,
      { kind: 'and', filters: [...rest, branch] },
      undefined,
    )
    if (!found) return undefined
    scans.push(...found)
  }
  return scans
}
