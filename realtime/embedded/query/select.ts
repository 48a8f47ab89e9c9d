// Finds the rows that a filter, sort, skip and limit select. All reads and writes get from a query
// to documents this way.
import { Doc } from '../bson/doc.ts'
import { encode } from '../bson/encode.ts'
import type { DocumentSource } from '../cursors/cursors.ts'
import { pace, pause } from '../pace.ts'
import { planQuery, type QueryPlan } from '../plan/planner.ts'
import { FIRST_CHUNK_ROWS, Scanner, type StoredData, type StoredRow } from '../plan/scanner.ts'
import type { Collection } from '../storage/catalog.ts'
import type { Filter } from './filter.ts'
import { compileFilter } from './match.ts'
import type { DocumentTransform } from './projection.ts'
import { sortKeyOf, type SortPattern } from './sort.ts'
import { Sorter, type SortEntry } from './sorter.ts'

/** What to select. */
export interface Selection {
  readonly filter: Filter
  readonly sort?: SortPattern | undefined
  readonly skip?: number | undefined
  /** 0 or undefined: no limit. */
  readonly limit?: number | undefined
  readonly hint?: unknown
  /** Whether a sort may hold more documents than fit into its memory. */
  readonly allowDiskUse?: boolean
}

/** Selected rows in the order that was asked for. They are found as they are taken. */
export interface SelectedRows {
  next(): StoredRow | undefined | typeof pause
  pause(): void
}

/** How many rows are examined between two looks at the clock. A large row counts as several. */
const ROWS_PER_CHECK = 32
const BYTES_PER_ROW = 8 * 1024

/** Starts a selection. It reads all rows first only if no index provides the sort order. */
export function select(
  data: StoredData,
  collection: Collection,
  selection: Selection,
): SelectedRows {
  const { sort, skip = 0 } = selection
  const limit = selection.limit || Infinity
  const queryPlan = planQuery(collection, selection.filter, sort, selection.hint)
  const scanner = new Scanner(data, collection, queryPlan, expectedOf(queryPlan, limit + skip))
  const matching = matchingRows(scanner, queryPlan, selection)
  if (queryPlan.sorted) return sliced(matching, skip, limit)
  const sorted = sortedRows(matching, data, collection, selection, skip + limit)
  return sliced(sorted, skip, limit)
}

/**
 * The number of rows in the first chunk. If the filter can still exclude rows, the chunk is small:
 * another read costs less than documents of megabytes that are read for nothing.
 */
function expectedOf({ sorted, exact }: QueryPlan, wanted: number): number | undefined {
  if (!sorted) return undefined
  return exact ? wanted : Math.min(wanted, FIRST_CHUNK_ROWS)
}

function matchingRows(scanner: Scanner, queryPlan: QueryPlan, { filter }: Selection): SelectedRows {
  const matches = compileFilter(filter)
  const all = filter.kind === 'and' && filter.filters.length === 0
  const isMatch = all || queryPlan.exact
  let examined = 0
  return {
    pause: () => scanner.pause(),
    next() {
      for (;;) {
        if (examined >= ROWS_PER_CHECK) {
          examined = 0
          if (pace.isDue) return pause
        }
        const found = scanner.next()
        if (!found) return undefined
        examined += 1 + found.bytes.length / BYTES_PER_ROW
        if (isMatch || matches(Doc.read(found.bytes))) return found
      }
    },
  }
}

function sliced(rows: SelectedRows, skip: number, limit: number): SelectedRows {
  let [skipped, taken] = [0, 0]
  return {
    pause: () => rows.pause(),
    next() {
      while (skipped < skip) {
        const row = rows.next()
        if (!row || row === pause) return row
        skipped++
      }
      if (taken >= limit) return undefined
      const row = rows.next()
      if (row && row !== pause) taken++
      return row
    },
  }
}

/** Sorts rows. Only their keys stay in memory; the documents are read again. */
function sortedRows(
  rows: SelectedRows,
  { documents }: StoredData,
  collection: Collection,
  { sort, allowDiskUse }: Selection,
  limit: number,
): SelectedRows {
  const sorter = new Sorter<SortEntry>(limit, allowDiskUse === true)
  let isCollected = false
  let taken = 0
  const collect = (): typeof pause | undefined => {
    for (let found = rows.next(); found; found = rows.next()) {
      if (found === pause) return pause
      const key = sortKeyOf(Doc.read(found.bytes), sort!)
      sorter.add({ key, number: found.row }, found.bytes.length + key.length)
    }
    isCollected = true
    return undefined
  }
  return {
    pause: () => rows.pause(),
    next() {
      if (!isCollected && collect()) return pause
      if (++taken % ROWS_PER_CHECK === 0 && pace.isDue) return pause
      for (let entry = sorter.next(); entry; entry = sorter.next()) {
        const bytes = documents.find(collection, entry.number)
        if (bytes) return { row: entry.number, bytes }
      }
      return undefined
    },
  }
}

/** Visits all rows, in portions between which others have a turn. */
export async function eachRow(rows: SelectedRows, visit: (row: StoredRow) => void): Promise<void> {
  for (let row = rows.next(); row; row = rows.next()) {
    if (row !== pause) {
      visit(row)
      continue
    }
    rows.pause()
    await pace.rest()
  }
}

/** The documents of a selection, projected if there is a projection. */
export function projectedSource(
  rows: SelectedRows,
  projection: DocumentTransform | undefined,
): DocumentSource {
  return {
    pause: () => rows.pause(),
    next() {
      const found = rows.next()
      if (!found || found === pause) return found
      if (!projection) return found.bytes
      return encode(projection(Doc.read(found.bytes)))
    },
  }
}

/** A source over documents that exist already. */
export function documentSource(documents: readonly Doc[]): DocumentSource {
  let at = 0
  return {
    pause: () => undefined,
    next() {
      const doc = documents[at++]
      return doc && encode(doc)
    },
  }
}
