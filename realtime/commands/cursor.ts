// Page cursors of lists. They are opaque to clients. A cursor says which list it belongs to and
// after which item the last page ended. In another list it is invalid.
import * as z from 'zod'
import { Cursor } from '@lockstep/protocol/cursor'
import { Fault } from '@lockstep/protocol/errors'
import { fingerprintOf } from '../log/entry.ts'

/** The sort key of an item. */
interface SortKey {
  at: Date
  _id: string
}

/**
 * The mark of the list, then the sort key: a time that `Date` can hold (ms), and the id. Last, for
 * lists whose pages share a position in the log: that position.
 */
const Written = z.tuple([
  z.string(),
  z.int().min(-8.64e15).max(8.64e15),
  z.string(),
  Cursor.optional(),
])

/**
 * The page cursors of one list, which is sorted by time and id, newest first.
 * @param list tells it from other lists: name, user and filters
 */
export function cursorsOf(...list: readonly unknown[]) {
  const mark = fingerprintOf(list).slice(0, 8)
  return {
    /** The cursor of the page after this item. */
    write: ({ at, _id }: SortKey, position?: Cursor): string =>
      Buffer.from(
        JSON.stringify([mark, at.getTime(), _id, ...(position ? [position] : [])]),
      ).toString('base64url'),

    /** Throws `invalid` for anything that `write` didn't make for this list. */
    read(cursor: string): SortKey & { position?: Cursor } {
      try {
        const written: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString())
        const read = Written.safeParse(written)
        if (read.success && read.data[0] === mark)
          return { at: new Date(read.data[1]), _id: read.data[2], position: read.data[3] }
      } catch {
        // no cursor of this server: refused below
      }
      const message = 'must be a next_cursor that this server gave for the same list'
      throw new Fault('invalid', {
        detail: `The cursor ${message}`,
        issues: [{ path: 'cursor', message }],
      })
    },
  }
}
