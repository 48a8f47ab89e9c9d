// Pages of documents that may be large: an answer has a bound in bytes too, and what is beyond it is on the next page.
import type { FindCursor } from 'mongodb'
import { limits } from '@lockstep/protocol/limits'
import { byteLength } from '@lockstep/protocol/text'

export interface DocumentPage<T> {
  items: T[]
  /** There are others behind these. */
  more: boolean
}

/** At most `limit` documents of about 4 MB together, but at least one. They are decoded as they are asked for, so no more is. */
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
