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
import type { MatchTrace } from './path.ts'
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
  /** Whether the caller needs to know which array element matched. */
  readonly positional?: boolean
  /** Whether a sort may hold more documents than fit into its memory. */
  readonly allowDiskUse?: boolean
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
  next(): SelectedRow | undefined | typeof pause
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

function matchingRows(
  scanner: Scanner,
  queryPlan: QueryPlan,
  { filter, positional }: Selection,
): SelectedRows {
  const matches = compileFilter(filter)
  const trace: MatchTrace = { index: undefined }
  const all = filter.kind === 'and' && filter.filters.length === 0
  const isMatch = !all && (!queryPlan.exact || positional === true)
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
        if (!isMatch) return { ...found, position: undefined }
        trace.index = undefined
        if (matches(Doc.read(found.bytes), trace)) return { ...found, position: trace.index }
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

/** A row that is being sorted. Only its key stays in memory; the document is read again. */
interface SortedRow extends SortEntry {
  readonly position: number | undefined
}

function sortedRows(
  rows: SelectedRows,
  { documents }: StoredData,
  collection: Collection,
  { sort, allowDiskUse }: Selection,
  limit: number,
): SelectedRows {
  const sorter = new Sorter<SortedRow>(limit, allowDiskUse === true)
  let isCollected = false
  let taken = 0
  const collect = (): typeof pause | undefined => {
    for (let found = rows.next(); found; found = rows.next()) {
      if (found === pause) return pause
      const key = sortKeyOf(Doc.read(found.bytes), sort!)
      const entry = { key, number: found.row, position: found.position }
      sorter.add(entry, found.bytes.length + key.length)
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
        if (bytes) return { row: entry.number, bytes, position: entry.position }
      }
      return undefined
    },
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
