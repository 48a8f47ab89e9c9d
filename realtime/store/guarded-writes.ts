// Writes of the projection. Each is guarded by `seq`, so that it may be repeated at any time and
// never replaces a newer document.
import { MongoBulkWriteError, type Collection, type Document, type Filter } from 'mongodb'

const DUPLICATE_KEY = 11000

/** A document of a union without its `_id`. */
export type WithoutId<T> = T extends unknown ? Omit<T, '_id'> : never

/** Replaces the document that `filter` selects; one that doesn't exist is inserted. */
export interface GuardedWrite<T extends Document> {
  filter: Filter<T>
  replacement: WithoutId<T>
}

/**
 * Does all writes, in any order and by one command. If a newer document is stored, the guard in the
 * filter doesn't match, and the insert fails with a duplicate key: nothing has to be written then.
 */
export async function writeGuarded<T extends Document>(
  collection: Collection<T>,
  writes: readonly GuardedWrite<T>[],
): Promise<void> {
  if (writes.length === 0) return
  const operations = writes.map((write) => ({
    // Assertion: a replacement without `_id` gets that of the filter.
    replaceOne: { ...write, replacement: write.replacement as unknown as T, upsert: true },
  }))
  await collection.bulkWrite(operations, { ordered: false }).catch((error: unknown) => {
    if (!hasOnlyDuplicates(error)) throw error
  })
}

function hasOnlyDuplicates(error: unknown): boolean {
  if (!(error instanceof MongoBulkWriteError) || error.result.getWriteConcernError()) return false
  const failed = [error.writeErrors].flat()
  return failed.length > 0 && failed.every(({ code }) => code === DUPLICATE_KEY)
}
