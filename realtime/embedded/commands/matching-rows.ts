// The rows that a write works on.
import type { DatabaseEngine } from '../engine.ts'
import { pace, pause } from '../pace.ts'
import { select, type Selection } from '../query/select.ts'
import type { Collection } from '../storage/catalog.ts'

/** A row that matched, and the index of the array element that did (for the operator `$`). */
export interface MatchingRow {
  readonly row: number
  readonly position: number | undefined
}

/**
 * All rows that match. They are found before the first one is changed, so that a write can't select
 * its own results. Documents may change until their turn comes, so they aren't kept: the writer
 * reads each again.
 */
export async function matchingRows(
  engine: DatabaseEngine,
  collection: Collection,
  selection: Selection,
): Promise<MatchingRow[]> {
  const rows = select(engine, collection, selection)
  const found: MatchingRow[] = []
  for (let row = rows.next(); row; row = rows.next()) {
    if (row === pause) {
      rows.pause()
      await pace.rest()
    } else {
      found.push({ row: row.row, position: row.position })
    }
  }
  return found
}
