// Pages of documents that may be large: a page ends at its limit or at about 4 MB, whichever comes
// first.
import type { FindCursor } from 'mongodb'
import { limits } from '@lockstep/protocol/limits'
import { byteLength } from '@lockstep/protocol/text'

export interface DocumentPage<T> {
  items: T[]
  /** More documents follow. */
  more: boolean
}

/**
 * Reads at most `limit` documents and about 4 MB, but at least one document. The driver decodes
 * each document only when it is read.
 */
export async function readPage<T>(cursor: FindCursor<T>, limit: number): Promise<DocumentPage<T>> {
  const items: T[] = []
  let bytes = 0
  for await (const item of cursor.limit(limit + 1)) {
    bytes += byteLength(JSON.stringify(item))
    if (items.length === limit || (items.length > 0 && bytes > limits.answerBytes))
      return { items, more: true }
    items.push(item)
  }
  return { items, more: false }
}
