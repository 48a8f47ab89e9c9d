// What purges and retention have removed of the log, for the count of what users store.
import type { Database } from './database.ts'
import { idFilter } from './shard-key.ts'

/** Counts the bytes of removed content, which are given by topic key. */
export async function freeBytes(
  { heads }: Database,
  freed: ReadonlyMap<string, number>,
): Promise<void> {
  if (freed.size === 0) return
  await heads.bulkWrite(
    Array.from(freed, ([key, bytes]) => ({
      updateOne: { filter: idFilter(key), update: { $inc: { freed_bytes: bytes } } },
    })),
    { ordered: false },
  )
}
