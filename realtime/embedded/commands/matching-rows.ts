// The rows that a write works on.
import type { DatabaseEngine } from '../engine.ts'
import { pace, pause } from '../pace.ts'
import { select, type Selection } from '../query/select.ts'
import type { Collection } from '../storage/catalog.ts'

/**
 * All rows that match. They are found before the first one is changed, so that a write can't select
 * its own results. Documents may change until their turn comes, so they aren't kept: the writer
 * reads each again.
 */
export async function matchingRows(
  engine: DatabaseEngine,
  collection: Collection,
  selection: Selection,
): Promise<{ row: number }[]> {
  const rows = select(engine, collection, selection)
  const found: { row: number }[] = []
  for (let row = rows.next(); row; row = rows.next()) {
    if (row === pause) {
      rows.pause()
      await pace.rest()
    } else {
      found.push({ row: row.row })
    }
  }
  return found
}
