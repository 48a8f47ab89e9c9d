// The free space of the database's disk. MongoDB knows it; the embedded database is in a folder of
// this machine.
import { statfs } from 'node:fs/promises'
import type { Database } from './database.ts'

/** In bytes. Undefined if the database doesn't tell. */
export async function readFreeSpace(
  { db }: Pick<Database, 'db'>,
  folder: string | undefined,
): Promise<{ free: number; total: number } | undefined> {
  if (folder !== undefined) {
    const { bavail, blocks, bsize } = await statfs(folder)
    return { free: bavail * bsize, total: blocks * bsize }
  }
  const { fsUsedSize, fsTotalSize } = await db.command({ dbStats: 1 })
  if (typeof fsUsedSize !== 'number' || typeof fsTotalSize !== 'number') return undefined
  return { free: fsTotalSize - fsUsedSize, total: fsTotalSize }
}
