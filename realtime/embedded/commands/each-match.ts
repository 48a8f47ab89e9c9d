// The documents that a write works on.
import { Doc } from '../bson/doc.ts'
import type { DatabaseEngine } from '../engine.ts'
import { pace } from '../pace.ts'
import { compileFilter } from '../query/filter.ts'
import { eachRow, select, type Selection } from '../query/select.ts'
import type { Collection } from '../storage/catalog.ts'

/**
 * Visits all documents that match. Their rows are found before the first one is changed, so that a
 * write can't select its own results. Documents may change until their turn comes, so each is read
 * and compared with the filter again. Returns the number of the rows that were found.
 */
export async function eachMatch(
  engine: DatabaseEngine,
  collection: Collection | undefined,
  selection: Selection,
  visit: (row: number, doc: Doc) => void,
): Promise<number> {
  if (!collection) return 0
  const rows: number[] = []
  await eachRow(select(engine, collection, selection), ({ row }) => rows.push(row))
  const matches = compileFilter(selection.filter)
  for (const row of rows) {
    const bytes = collection.dropped ? undefined : engine.documents.find(collection, row)
    const doc = bytes && Doc.read(bytes)
    if (doc && matches(doc)) visit(row, doc)
    if (rows.length > 1 && pace.isDue) await pace.rest()
  }
  return rows.length
}
