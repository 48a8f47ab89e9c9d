// Turns conditions into ranges of index keys. A range is never narrower than its condition, but it
// may be wider, so the documents in it are matched again.
import { MaxKey, MinKey } from 'bson'
import { toNumber } from '../bson/numbers.ts'
import { afterPrefix, bracketOf, inverted, keyOf } from '../bson/order.ts'
import { typeOf } from '../bson/type-of.ts'
import type { Filter } from '../query/filter.ts'

/** The keys from `from` (inclusive) to `to` (exclusive). */
export interface Interval {
  readonly from: Buffer
  readonly to: Buffer
}

/** The ranges in which conditions place one field. */
export interface FieldBounds {
  /** In ascending order, without overlap. */
  readonly intervals: readonly Interval[]
  /** Whether every interval is a single value. */
  readonly points: boolean
}

/** All keys: no key begins with the byte 0xff. */
export const everything: Interval = { from: Buffer.alloc(0), to: Buffer.from([0xff]) }

/**
 * The bounds of one field; undefined if no condition narrows it. In a multikey index, the ranges of
 * two conditions must not be intersected, because different array elements may satisfy them.
 */
export function boundsOf(
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

/** The same intervals for a descending field. */
export function descendingIntervals(intervals: readonly Interval[]): Interval[] {
  return intervals
    .map(({ from, to }) => ({
      from: afterPrefix(inverted(to)),
      to: afterPrefix(inverted(from)),
    }))
    .reverse()
}

/** The keys that start with `prefix` and continue with a key in the interval. */
export function prefixed(prefix: Buffer, { from, to }: Interval): Interval {
  return { from: Buffer.concat([prefix, from]), to: Buffer.concat([prefix, to]) }
}
