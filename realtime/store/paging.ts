// Pages of documents that may be large: a page ends at its limit or at about 4 MB, whichever comes
// first.
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { FindCursor } from 'mongodb'
import { limits } from '@lockstep/protocol/limits'
import { jsonBytes } from './json-bytes.ts'

/** Decoded before others have a turn (bytes). */
const TURN_BYTES = 256 * 1024

export interface DocumentPage<T> {
  items: T[]
  /** More documents follow. */
  more: boolean
}

/**
 * Reads at most `limit` documents and about 4 MB, but at least one document. The driver decodes
 * each document only when it is read.
 */
export async function readPage<T extends object>(
  cursor: FindCursor<T>,
  limit: number,
): Promise<DocumentPage<T>> {
  const items: T[] = []
  let bytes = 0
  let turns = 1
  for await (const item of cursor.limit(limit + 1)) {
    bytes += jsonBytes(item)
    if (items.length === limit || (items.length > 0 && bytes > limits.answerBytes))
      return { items, more: true }
    items.push(item)
    if (bytes > turns * TURN_BYTES) {
      turns++
      await nextTurn()
    }
  }
  return { items, more: false }
}
