// Removes the documents that TTL indexes have expired. These are ordinary deletes, which change
// streams show.
import { pause } from '../pace.ts'
import type { StoredData } from '../plan/scanner.ts'
import { compare } from '../query/filter.ts'
import { select } from '../query/select.ts'
import type { Catalog } from './catalog.ts'

const MAX_DELETES = 100

/** Deletes the first documents that each index has expired. Returns whether there may be more. */
export function expireDocuments(engine: StoredData & { catalog: Catalog }, now: number): boolean {
  let more = false
  for (const collection of engine.catalog.collections())
    for (const { name, fields, expireAfterSeconds, builtTo } of collection.indexes) {
      if (expireAfterSeconds === undefined || builtTo !== Infinity) continue
      const filter = compare(fields[0]!, 'lte', new Date(now - expireAfterSeconds * 1000))
      const { rows } = select(engine, collection, { filter, limit: MAX_DELETES, hint: name })
      const expired = [...rows].filter((row) => row !== pause)
      for (const { row, bytes } of expired) engine.documents.delete(collection, row, bytes)
      more ||= expired.length === MAX_DELETES
    }
  return more
}
