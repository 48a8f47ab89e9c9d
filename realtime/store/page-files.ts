// The files of the page's builds. Nodes of different builds may serve at the same time, and a page
// stays open longer than the node that delivered it: so each node keeps its files here, and every
// node can deliver those of the others. A name contains a hash of the content, so what is stored
// under a name never changes.
import type { Database } from './database.ts'

export interface PageFile {
  /** The name in the folder `assets`. */
  name: string
  content: Buffer
  /** How `content` is compressed. */
  encoding: 'br' | null
}

/**
 * Keeps these files until `expires_at` at least. Returns the names of those that are not stored
 * yet.
 */
export async function renewPageFiles(
  { page_files }: Database,
  names: readonly string[],
  expires_at: Date,
): Promise<string[]> {
  const mine = { _id: { $in: [...names] } }
  await page_files.updateMany(mine, { $max: { expires_at } })
  const stored = await page_files.find(mine).project<{ _id: string }>({ _id: 1 }).toArray()
  const found = new Set(stored.map(({ _id }) => _id))
  return names.filter((name) => !found.has(name))
}

/** Another node of the same build may store the same files at the same time. */
export async function insertPageFiles(
  { page_files }: Database,
  files: readonly PageFile[],
  expires_at: Date,
): Promise<void> {
  if (files.length === 0) return
  await page_files.bulkWrite(
    files.map(({ name, content, encoding }) => ({
      updateOne: {
        filter: { _id: name },
        update: { $setOnInsert: { content, encoding }, $max: { expires_at } },
        upsert: true,
      },
    })),
    { ordered: false },
  )
}

export async function findPageFile(
  { page_files }: Database,
  name: string,
): Promise<PageFile | undefined> {
  const found = await page_files.findOne({ _id: name }, { promoteBuffers: true })
  return found ? { name, content: found.content, encoding: found.encoding } : undefined
}
