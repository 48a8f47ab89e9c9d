// Turns predicates into ranges of index keys. A range is never narrower than its predicate. Where
// it is exactly as wide, it says so, and the documents need not be matched again.
import { BSONRegExp, MaxKey, MinKey } from 'bson'
import { toNumber } from '../bson/numbers.ts'
import { afterPrefix, bracketOf, inverted, keyOf } from '../bson/order.ts'
import type { Filter } from '../query/filter.ts'

/**
 * The keys from `from` (inclusive) to `to` (exclusive). If `to` is undefined, the range has no end.
 */
export interface Interval {
  readonly from: Buffer
  readonly to: Buffer | undefined
}

/** The ranges in which a filter's predicates place one field. */
export interface FieldBounds {
  /** In ascending order, without overlap. */
  readonly intervals: Interval[]
  /** Whether every interval is a single value. */
  readonly points: boolean
  /**
   * Whether the intervals contain exactly the values that the predicates accept, as long as no
   * array is involved.
   */
  readonly exact: boolean
}

/** A predicate that an index may be able to serve. */
export type IndexablePredicate = Extract<Filter, { kind: 'compare' | 'in' | 'regex' }>

/** The predicates of a conjunction by path. `complete`: the filter consists of nothing else. */
export interface Conjunction {
  readonly predicates: ReadonlyMap<string, IndexablePredicate[]>
  readonly complete: boolean
}

/** Collects the predicates of a filter's top-level conjunction. */
export function conjunctionOf(filter: Filter): Conjunction {
  const predicates = new Map<string, IndexablePredicate[]>()
  let complete = true
  const visit = (node: Filter): void => {
    if (node.kind === 'and') return node.filters.forEach(visit)
    if (node.kind !== 'compare' && node.kind !== 'in' && node.kind !== 'regex') {
      complete = false
      return
    }
    predicates.set(node.path, [...(predicates.get(node.path) ?? []), node])
  }
  visit(filter)
  return { predicates, complete }
}

/**
 * The bounds of one field; undefined if no predicate narrows it. In a multikey index, the ranges of
 * two predicates must not be intersected, because different array elements may satisfy them.
 */
export function boundsOf(
  predicates: readonly IndexablePredicate[],
  multikey: boolean,
): FieldBounds | undefined {
  const candidates = predicates.map(intervalsOf).filter((bounds) => bounds !== undefined)
  if (candidates.length === 0) return undefined
  const points =
    candidates.find((bounds) => bounds.points && bounds.intervals.length === 1) ??
    candidates.find((bounds) => bounds.points)
  const alone = predicates.length === 1 && !multikey
  if (points) return { ...points, exact: points.exact && alone }
  const ranges = candidates.filter((bounds) => bounds.exact)
  if (multikey || ranges.length === 0)
    return { ...candidates[0]!, exact: candidates[0]!.exact && alone }
  if (ranges.some((bounds) => bounds.intervals.length === 0))
    return { intervals: [], points: false, exact: false }
  const joined = ranges.map((bounds) => bounds.intervals[0]!).reduce(intersection)
  const exact = ranges.length === predicates.length
  return { intervals: isEmpty(joined) ? [] : [joined], points: false, exact }
}

function intersection(a: Interval, b: Interval): Interval {
  const from = Buffer.compare(a.from, b.from) >= 0 ? a.from : b.from
  if (a.to === undefined || b.to === undefined) return { from, to: a.to ?? b.to }
  return { from, to: Buffer.compare(a.to, b.to) <= 0 ? a.to : b.to }
}

function isEmpty(interval: Interval): boolean {
  return interval.to !== undefined && Buffer.compare(interval.from, interval.to) >= 0
}

function intervalsOf(predicate: IndexablePredicate): FieldBounds | undefined {
  if (predicate.kind === 'regex') return prefixRange(predicate.pattern.prefix)
  if (predicate.kind === 'in') return manyPoints(predicate.values, predicate.patterns.length > 0)
  if (predicate.op === 'eq') return manyPoints([predicate.value], false)
  return range(predicate.op, predicate.value)
}

function manyPoints(values: readonly unknown[], patterns: boolean): FieldBounds | undefined {
  if (patterns || values.some((value) => Array.isArray(value))) return undefined
  const keys = values.map((value) => keyOf(value)).sort((a, b) => Buffer.compare(a, b))
  const distinct = keys.filter((key, at) => at === 0 || !key.equals(keys[at - 1]!))
  return { intervals: distinct.map(pointAt), points: true, exact: !values.includes(null) }
}

function pointAt(key: Buffer): Interval {
  return { from: key, to: afterPrefix(key) }
}

const numbers = bracketOf(0)

function range(op: 'gt' | 'gte' | 'lt' | 'lte', value: unknown): FieldBounds | undefined {
  if (value === null || Array.isArray(value) || value instanceof MinKey || value instanceof MaxKey)
    return undefined
  if (Number.isNaN(toNumber(value))) return undefined
  const key = keyOf(value)
  const bracket = bracketOf(value)
  const low = bracket === numbers ? afterPrefix(keyOf(NaN))! : Buffer.from([bracket])
  const high = Buffer.from([bracket + 1])
  const interval =
    op === 'gt' || op === 'gte'
      ? { from: op === 'gt' ? afterPrefix(key)! : key, to: high }
      : { from: low, to: op === 'lt' ? key : afterPrefix(key) }
  return { intervals: isEmpty(interval) ? [] : [interval], points: false, exact: true }
}

/**
 * `^literal…` narrows strings to those with this prefix. A stored regular expression can match as
 * well, so the bracket of regular expressions is included.
 */
function prefixRange(literal: string | undefined): FieldBounds | undefined {
  if (literal === undefined) return undefined
  const key = keyOf(literal)
  const prefix = key.subarray(0, key.length - 2)
  const regexes = Buffer.from([bracketOf(new BSONRegExp('x'))])
  return {
    intervals: [
      { from: Buffer.from(prefix), to: afterPrefix(Buffer.from(prefix)) },
      { from: regexes, to: afterPrefix(regexes) },
    ],
    points: false,
    exact: false,
  }
}

/** The same intervals for a descending field. */
export function descendingIntervals(intervals: readonly Interval[]): Interval[] {
  return intervals
    .map(({ from, to }) => ({
      from: to === undefined ? Buffer.alloc(0) : afterPrefix(inverted(to))!,
      to: afterPrefix(inverted(from)),
    }))
    .reverse()
}

/** The keys that start with `prefix` and continue with a key in the interval. */
export function prefixed(prefix: Buffer, interval: Interval): Interval {
  return {
    from: Buffer.concat([prefix, interval.from]),
    to: interval.to === undefined ? afterPrefix(prefix) : Buffer.concat([prefix, interval.to]),
  }
}
