// Cursors of lists are opaque to clients: where the last page ended, by the sort key.
import { Fault } from '../../protocol/errors.ts'

/** The place behind this document in a list sorted by time and id, newest first. */
export const writeCursor = ({ updated_at, _id }: { updated_at: Date; _id: string }): string =>
  Buffer.from(JSON.stringify([updated_at.getTime(), _id])).toString('base64url')

/** Throws `invalid` for anything that `writeCursor` didn't make. */
export function readCursor(cursor: string): { updated_at: Date; _id: string } {
  try {
    const [time, _id] = JSON.parse(Buffer.from(cursor, 'base64url').toString()) as unknown[]
    if (typeof time === 'number' && Number.isSafeInteger(time) && Math.abs(time) <= 8.64e15 && typeof _id === 'string')
      return { updated_at: new Date(time), _id }
  } catch {
    // not ours: refused below
  }
  const message = 'must be a next_cursor that this server gave'
  throw new Fault('invalid', { detail: `The cursor ${message}`, issues: [{ path: 'cursor', message }] })
}
