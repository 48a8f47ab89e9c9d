// Removes the documents that TTL indexes have expired. These are ordinary deletes, which change
// streams show.
import { afterPrefix, bracketOf, keyOf } from '../bson/order.ts'
import { descendingIntervals } from '../plan/bounds.ts'
import { Scanner, type StoredRow } from '../plan/scanner.ts'
import type { Catalog, Collection, Index } from './catalog.ts'
import type { DocumentWriter } from './document-writer.ts'
import type { Documents } from './documents.ts'
import type { SqliteStore } from './sqlite-store.ts'

const MAX_DELETES_PER_SWEEP = 100

export interface ExpiryDeps {
  readonly store: SqliteStore
  readonly documents: Documents
  readonly catalog: Catalog
  readonly writer: DocumentWriter
}

/**
 * Deletes the documents that expired before `now`, a limited number per index. Returns whether
 * there may be more.
 */
export function expireDocuments(deps: ExpiryDeps, now: number): boolean {
  let more = false
  for (const db of deps.catalog.databaseNames()) {
    for (const collection of deps.catalog.list(db)) {
      for (const index of collection.indexes) {
        if (index.expireAfterSeconds === undefined || index.builtTo !== Infinity) continue
        const count = expireByIndex(deps, collection, index, now - index.expireAfterSeconds * 1000)
        more ||= count === MAX_DELETES_PER_SWEEP
      }
    }
  }
  return more
}

function expireByIndex(
  deps: ExpiryDeps,
  collection: Collection,
  index: Index,
  before: number,
): number {
  const from = Buffer.from([bracketOf(new Date(0))])
  const dates = [{ from, to: afterPrefix(keyOf(new Date(before))) }]
  const intervals = index.descending[0] ? descendingIntervals(dates) : dates
  const scans = [{ index, intervals, reverse: false }]
  const plan = { scans, reverseNatural: false, sorted: true }
  const scanner = new Scanner(deps, collection, plan, MAX_DELETES_PER_SWEEP)
  const expired: StoredRow[] = []
  while (expired.length < MAX_DELETES_PER_SWEEP) {
    const found = scanner.next()
    if (!found) break
    expired.push(found)
  }
  for (const { row, bytes } of expired) deps.writer.delete(collection, row, bytes)
  return expired.length
}
