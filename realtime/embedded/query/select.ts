// Finds the rows that a filter, sort, skip and limit select: the one path from a query to documents, for reads and writes.
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

/** What is looked for. */
export interface Selection {
  readonly filter: Filter
  readonly sort?: SortPattern | undefined
  readonly skip?: number | undefined
  /** 0 or undefined: no limit. */
  readonly limit?: number | undefined
  readonly hint?: unknown
  /** The caller needs to know which array element matched. */
  readonly positional?: boolean
}

/** A selected row; `position` is the matched array index when it was asked for. */
export interface SelectedRow extends StoredRow {
  readonly position: number | undefined
}

/** Rows in the order asked for, produced as they are taken. */
export interface SelectedRows {
  next(): SelectedRow | undefined
  pause(): void
  readonly plan: QueryPlan
}

/** Starts a selection. Only a sort that no index provides has to see everything first. */
export function select(
  store: SqliteStore,
  collection: Collection,
  selection: Selection,
): SelectedRows {
  const { sort, skip = 0 } = selection
  const limit = selection.limit || Infinity
  const chosen = planQuery(collection, selection.filter, sort, selection.hint)
  const scanner = new Scanner(store, collection, chosen, expectedOf(chosen, limit + skip))
  const matching = matchingRows(scanner, chosen, selection)
  if (chosen.sorted) return sliced(matching, skip, limit, chosen)
  let ordered: SelectedRows | undefined
  return {
    plan: chosen,
    next() {
      ordered ??= sliced(
        inMemory(sortRows(matching, sort!, skip + limit), chosen),
        skip,
        limit,
        chosen,
      )
      return ordered.next()
    },
    pause: () => scanner.pause(),
  }
}

/** How many rows are read first. What the filter may still refuse costs another read, documents of megabytes read for nothing cost more. */
function expectedOf({ sorted, exact }: QueryPlan, wanted: number): number | undefined {
  if (!sorted) return undefined
  return exact ? wanted : Math.min(wanted, FIRST_CHUNK_ROWS)
}

function matchingRows(
  scanner: Scanner,
  chosen: QueryPlan,
  { filter, positional }: Selection,
): SelectedRows {
  const matches = compileFilter(filter)
  const trace: MatchTrace = { index: undefined }
  const all = filter.kind === 'and' && filter.filters.length === 0
  return {
    plan: chosen,
    pause: () => scanner.pause(),
    next() {
      for (let found = scanner.next(); found; found = scanner.next()) {
        if (all || (chosen.exact && !positional)) return { ...found, position: undefined }
        trace.index = undefined
        if (matches(decode(found.bytes), trace))
          return { row: found.row, bytes: found.bytes, position: trace.index }
      }
      return undefined
    },
  }
}

function sliced(rows: SelectedRows, skip: number, limit: number, chosen: QueryPlan): SelectedRows {
  let [skipped, taken] = [0, 0]
  return {
    plan: chosen,
    pause: () => rows.pause(),
    next() {
      for (; skipped < skip; skipped++) if (!rows.next()) return undefined
      return taken++ < limit ? rows.next() : undefined
    },
  }
}

function inMemory(rows: readonly SelectedRow[], chosen: QueryPlan): SelectedRows {
  let at = 0
  return { plan: chosen, pause: () => undefined, next: () => rows[at++] }
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
    // With a limit, only the best so far are held: a top-10 of a million needs no million.
    if (limit !== Infinity && kept.length >= 2 * limit + 1000) shrink()
  }
  shrink()
  return kept.map(({ found }) => found)
}

/** The documents of a selection as a cursor gives them out. */
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

/** A source over documents that are there already. */
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
