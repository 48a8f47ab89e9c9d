// Cursors of lists are opaque to clients: where the last page ended, by the sort key, and of which list: another one's place means nothing here.
import { Fault } from '@lockstep/protocol/errors'
import { fingerprintOf } from '../log/entry.ts'

interface Place {
  at: Date
  _id: string
}

/** The cursors of one list, sorted by time and id, newest first. `list`: whatever tells it from others, the user and the filters included. */
export function cursorsOf(...list: readonly unknown[]) {
  const mark = fingerprintOf(list).slice(0, 8)
  return {
    /** The place behind this one. */
    write: ({ at, _id }: Place): string =>
      Buffer.from(JSON.stringify([mark, at.getTime(), _id])).toString('base64url'),

    /** Throws `invalid` for anything that `write` didn't make for this list. */
    read(cursor: string): Place {
      try {
        const [list, time, _id] = JSON.parse(
          Buffer.from(cursor, 'base64url').toString(),
        ) as unknown[]
        if (list === mark && isTime(time) && typeof _id === 'string')
          return { at: new Date(time), _id }
      } catch {
        // not ours: refused below
      }
      const message = 'must be a next_cursor that this server gave for the same list'
      throw new Fault('invalid', {
        detail: `The cursor ${message}`,
        issues: [{ path: 'cursor', message }],
      })
    },
  }
}

const isTime = (value: unknown): value is number =>
  Number.isSafeInteger(value) && Math.abs(value as number) <= 8.64e15
