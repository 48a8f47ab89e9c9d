// Finds rows: all reads and writes get from a query to documents this way.
import { Doc } from '../bson/doc.ts'
import { mapped, pace, pause, sliced, type Flow } from '../pace.ts'
import { planQuery } from '../plan/planner.ts'
import { Scanner, type StoredData } from '../plan/scanner.ts'
import type { Collection } from '../storage/catalog.ts'
import type { StoredRow } from '../storage/documents.ts'
import type { KeyPattern } from '../storage/index-keys.ts'
import { type Filter } from './filter.ts'
import { sorted, sortKeyOf } from './sort.ts'

export interface Selection {
  readonly filter: Filter
  readonly sort?: KeyPattern | undefined
  readonly skip?: number | undefined
  /** 0 or undefined: no limit. */
  readonly limit?: number | undefined
  readonly hint?: unknown
  /** Whether a sort may hold more documents than fit into its memory. */
  readonly allowDiskUse?: boolean
}

/** Selected rows in the order that was asked for. They are found as they are taken. */
export interface SelectedRows {
  readonly rows: Flow<StoredRow>
  /** Announces that the data may change before the next row is taken. */
  pause(): void
}

const ROWS_PER_CHECK = 32
const BYTES_PER_ROW = 8 * 1024

/** Starts a selection. It reads all rows first only if no index provides the sort order. */
export function select(
  data: StoredData,
  collection: Collection,
  { filter, sort, skip = 0, limit, hint, allowDiskUse }: Selection,
): SelectedRows {
  const end = skip + (limit || Infinity)
  const queryPlan = planQuery(collection, filter, sort, hint)
  const scanner = new Scanner(data, collection, queryPlan, queryPlan.sorted ? end : Infinity)
  const matching = matchingRows(scanner, filter)
  // Only the keys stay in memory while rows are sorted; the documents are read again.
  const entries = mapped(matching, ({ row, bytes }) => {
    const key = sortKeyOf(Doc.read(bytes), sort!)
    return { entry: { key, number: row }, size: bytes.length + key.length }
  })
  const inOrder = mapped(sorted(entries, end, allowDiskUse === true), ({ number: row }) => {
    const bytes = data.documents.find(collection, row)
    return bytes && { row, bytes }
  })
  const rows = queryPlan.sorted ? matching : inOrder
  return { rows: sliced(rows, skip, end - skip), pause: () => scanner.pause() }
}

function* matchingRows(scanner: Scanner, filter: Filter): Flow<StoredRow> {
  const all = filter.kind === 'and' && filter.filters.length === 0
  let examined = 0
  for (let found = scanner.next(); found; found = scanner.next()) {
    examined += 1 + found.bytes.length / BYTES_PER_ROW
    if (all || filter.matches(Doc.read(found.bytes))) yield found
    if (examined < ROWS_PER_CHECK) continue
    examined = 0
    if (pace.isDue) yield pause
  }
}

export async function eachRow(
  { rows, pause: onPause }: SelectedRows,
  visit: (row: StoredRow) => void,
): Promise<void> {
  for (const row of rows) {
    if (row === pause) {
      onPause()
      await pace.rest()
    } else {
      visit(row)
    }
  }
}
