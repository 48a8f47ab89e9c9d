// Finds the rows that a filter, sort, skip and limit select. All reads and writes get from a query
// to documents this way.
import { decode, encode, type Doc } from '../bson/codec.ts'
import type { DocumentSource } from '../cursors/cursors.ts'
import { planQuery, type QueryPlan } from '../plan/planner.ts'
import { FIRST_CHUNK_ROWS, Scanner, type StoredRow } from '../plan/scanner.ts'
import type { Collection } from '../storage/catalog.ts'
import type { SqliteStore } from '../storage/sqlite-store.ts'
import type { Filter } from './filter.ts'
import { compileFilter } from './match.ts'
import type { MatchTrace } from './path.ts'
import type { Projection } from './projection.ts'
import { sortKeyOf, type SortPattern } from './sort.ts'

/** What to select. */
export interface Selection {
  readonly filter: Filter
  readonly sort?: SortPattern | undefined
  readonly skip?: number | undefined
  /** 0 or undefined: no limit. */
  readonly limit?: number | undefined
  readonly hint?: unknown
  /** Whether the caller needs to know which array element matched. */
  readonly positional?: boolean
}

/**
 * A selected row. `position` is the index of the array element that matched, if the caller asked
 * for it.
 */
export interface SelectedRow extends StoredRow {
  readonly position: number | undefined
}

/** Selected rows in the order that was asked for. They are found as they are taken. */
export interface SelectedRows {
  next(): SelectedRow | undefined
  pause(): void
  readonly plan: QueryPlan
}

/** Starts a selection. It reads all rows first only if no index provides the sort order. */
export function select(
  store: SqliteStore,
  collection: Collection,
  selection: Selection,
): SelectedRows {
  const { sort, skip = 0 } = selection
  const limit = selection.limit || Infinity
  const queryPlan = planQuery(collection, selection.filter, sort, selection.hint)
  const scanner = new Scanner(store, collection, queryPlan, expectedOf(queryPlan, limit + skip))
  const matching = matchingRows(scanner, queryPlan, selection)
  if (queryPlan.sorted) return sliced(matching, skip, limit, queryPlan)
  let ordered: SelectedRows | undefined
  return {
    plan: queryPlan,
    next() {
      ordered ??= sliced(
        inMemory(sortRows(matching, sort!, skip + limit), queryPlan),
        skip,
        limit,
        queryPlan,
      )
      return ordered.next()
    },
    pause: () => scanner.pause(),
  }
}

/**
 * The number of rows in the first chunk. If the filter can still exclude rows, the chunk is small:
 * another read costs less than documents of megabytes that are read for nothing.
 */
function expectedOf({ sorted, exact }: QueryPlan, wanted: number): number | undefined {
  if (!sorted) return undefined
  return exact ? wanted : Math.min(wanted, FIRST_CHUNK_ROWS)
}

function matchingRows(
  scanner: Scanner,
  queryPlan: QueryPlan,
  { filter, positional }: Selection,
): SelectedRows {
  const matches = compileFilter(filter)
  const trace: MatchTrace = { index: undefined }
  const all = filter.kind === 'and' && filter.filters.length === 0
  return {
    plan: queryPlan,
    pause: () => scanner.pause(),
    next() {
      for (let found = scanner.next(); found; found = scanner.next()) {
        if (all || (queryPlan.exact && !positional)) return { ...found, position: undefined }
        trace.index = undefined
        if (matches(decode(found.bytes), trace))
          return { row: found.row, bytes: found.bytes, position: trace.index }
      }
      return undefined
    },
  }
}

function sliced(
  rows: SelectedRows,
  skip: number,
  limit: number,
  queryPlan: QueryPlan,
): SelectedRows {
  let [skipped, taken] = [0, 0]
  return {
    plan: queryPlan,
    pause: () => rows.pause(),
    next() {
      for (; skipped < skip; skipped++) if (!rows.next()) return undefined
      return taken++ < limit ? rows.next() : undefined
    },
  }
}

function inMemory(rows: readonly SelectedRow[], queryPlan: QueryPlan): SelectedRows {
  let at = 0
  return { plan: queryPlan, pause: () => undefined, next: () => rows[at++] }
}

interface Keyed {
  readonly key: Buffer
  readonly found: SelectedRow
}

function sortRows(rows: SelectedRows, sort: SortPattern, limit: number): SelectedRow[] {
  let kept: Keyed[] = []
  const shrink = (): void => {
    kept.sort((a, b) => Buffer.compare(a.key, b.key))
    if (kept.length > limit) kept = kept.slice(0, limit)
  }
  for (let found = rows.next(); found; found = rows.next()) {
    kept.push({ key: sortKeyOf(decode(found.bytes), sort), found })
    // With a limit, only the first rows so far are kept: the top 10 of a million need little
    // memory.
    if (limit !== Infinity && kept.length >= 2 * limit + 1000) shrink()
  }
  shrink()
  return kept.map(({ found }) => found)
}

/** The documents of a selection, projected if there is a projection. */
export function projectedSource(
  rows: SelectedRows,
  projection: Projection | undefined,
): DocumentSource {
  return {
    pause: () => rows.pause(),
    next() {
      const found = rows.next()
      if (!found || !projection) return found?.bytes
      return encode(projection.project(decode(found.bytes), found.position))
    },
  }
}

/** A source over documents that exist already. */
export function documentSource(documents: Iterable<Doc>): DocumentSource {
  const iterator = documents[Symbol.iterator]()
  return {
    pause: () => undefined,
    next() {
      const { value, done } = iterator.next()
      return done ? undefined : encode(value)
    },
  }
}
