// From predicates to byte ranges of index keys. Guards that a range is never narrower than its predicate; where it is
// exactly as wide it says so, and the document need not be looked at again.
import { MaxKey, MinKey } from 'bson'
import { toNumber } from '../bson/numbers.ts'
import { afterPrefix, bracketOf, inverted, keyOf } from '../bson/order.ts'
import type { Filter } from '../query/filter.ts'

/** Keys from `from` (inclusive) to `to` (exclusive; undefined: to the end). */
export interface Interval {
  readonly from: Buffer
  readonly to: Buffer | undefined
}

/** What a filter says about one field. */
export interface FieldBounds {
  /** In ascending order, without overlap. */
  readonly intervals: Interval[]
  /** Every interval is one value. */
  readonly points: boolean
  /** The intervals hold exactly what the predicates accept, when no array is involved. */
  readonly exact: boolean
}

/** A predicate that an index may serve. */
export type IndexablePredicate = Extract<Filter, { kind: 'compare' | 'in' | 'regex' }>

/** The predicates of a conjunction by path; `complete` when there is nothing else in the filter. */
export interface Conjunction {
  readonly predicates: ReadonlyMap<string, IndexablePredicate[]>
  readonly complete: boolean
}

/** Takes a filter's top-level conjunction apart. */
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

/** Bounds of one field; undefined when no predicate can narrow it. `multikey`: ranges of several predicates must not be joined. */
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
  if (predicate.kind === 'regex') return prefixRange(predicate.pattern)
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

/** `^literal…` narrows strings to those that start so. Stored regular expressions can match too, hence their bracket is included. */
function prefixRange(pattern: RegExp): FieldBounds | undefined {
  const found = /^\^([\w \-:/@,;=~#%&!"'<>]+)(.?)/.exec(pattern.source)
  if (!found || /[im]/.test(pattern.flags) || pattern.source.includes('|')) return undefined
  const literal = /[*?{]/.test(found[2] ?? '') ? found[1]!.slice(0, -1) : found[1]!
  if (literal === '') return undefined
  const key = keyOf(literal)
  const prefix = key.subarray(0, key.length - 2)
  const regexes = Buffer.from([bracketOf(/x/)])
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

/** All keys that start with `prefix` followed by something inside the interval. */
export function prefixed(prefix: Buffer, interval: Interval): Interval {
  return {
    from: Buffer.concat([prefix, interval.from]),
    to: interval.to === undefined ? afterPrefix(prefix) : Buffer.concat([prefix, interval.to]),
  }
}
