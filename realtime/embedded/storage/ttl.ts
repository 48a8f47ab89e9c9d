// Removes the documents that TTL indexes have expired. These are ordinary deletes, which change
// streams show.
import { planQuery } from '../plan/planner.ts'
import { Scanner, type StoredData } from '../plan/scanner.ts'
import { compare } from '../query/filter.ts'
import type { Catalog, Collection, Index } from './catalog.ts'
import type { StoredRow } from './documents.ts'

const MAX_DELETES_PER_SWEEP = 100

type Expiring = StoredData & { readonly catalog: Catalog }

export function expireDocuments(engine: Expiring, now: number): boolean {
  let more = false
  for (const db of engine.catalog.databaseNames()) {
    for (const collection of engine.catalog.list(db)) {
      for (const index of collection.indexes) {
        if (index.expireAfterSeconds === undefined || index.builtTo !== Infinity) continue
        const count = expireByIndex(
          engine,
          collection,
          index,
          now - index.expireAfterSeconds * 1000,
        )
        more ||= count === MAX_DELETES_PER_SWEEP
      }
    }
  }
  return more
}

function expireByIndex(
  engine: Expiring,
  collection: Collection,
  index: Index,
  before: number,
): number {
  const filter = compare(index.fields[0]!, 'lte', new Date(before))
  const plan = planQuery(collection, filter, undefined, index.name)
  const scanner = new Scanner(engine, collection, plan, MAX_DELETES_PER_SWEEP)
  const expired: StoredRow[] = []
  while (expired.length < MAX_DELETES_PER_SWEEP) {
    const found = scanner.next()
    if (!found) break
    expired.push(found)
  }
  for (const { row, bytes } of expired) engine.documents.delete(collection, row, bytes)
  return expired.length
}
