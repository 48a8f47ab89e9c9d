// Finds the rows that a filter, sort, skip and limit select. All reads and writes get from a query
// to documents this way.
import { Doc } from '../bson/doc.ts'
import { encode } from '../bson/encode.ts'
import type { DocumentSource } from '../cursors/cursors.ts'
import { pace, pause } from '../pace.ts'
import { planQuery } from '../plan/planner.ts'
import { Scanner, type StoredData } from '../plan/scanner.ts'
import type { Collection } from '../storage/catalog.ts'
import type { StoredRow } from '../storage/documents.ts'
import type { Filter } from './filter.ts'
import { compileFilter } from './match.ts'
import type { DocumentTransform } from './projection.ts'
import { sortKeyOf, type SortPattern } from './sort.ts'
import { Sorter } from './sorter.ts'

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
  const scanner = new Scanner(
    data,
    collection,
    queryPlan,
    queryPlan.sorted ? limit + skip : Infinity,
  )
  const matching = matchingRows(scanner, selection)
  if (queryPlan.sorted) return sliced(matching, skip, limit)
  const sorted = sortedRows(matching, data, collection, selection, skip + limit)
  return sliced(sorted, skip, limit)
}

function matchingRows(scanner: Scanner, { filter }: Selection): SelectedRows {
  const matches = compileFilter(filter)
  const all = filter.kind === 'and' && filter.filters.length === 0
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
        if (all || matches(Doc.read(found.bytes))) return found
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

function sortedRows(
  rows: SelectedRows,
  { documents }: StoredData,
  collection: Collection,
  { sort, allowDiskUse }: Selection,
  limit: number,
): SelectedRows {
  const sorter = new Sorter(limit, allowDiskUse === true)
  let isCollected = false
  let taken = 0
  const collect = (): typeof pause | undefined => {
    for (let found = rows.next(); found; found = rows.next()) {
      if (found === pause) return pause
      const key = sortKeyOf(Doc.read(found.bytes), sort!)
      const entry = { key, number: found.row }
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
