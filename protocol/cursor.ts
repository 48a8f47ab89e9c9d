// Positions in a user's log: `seq` orders the changes of a topic without gaps, `version` orders the
// changes of one entity.
import * as z from 'zod'

/**
 * A user's logs restart when the epoch changes (a restore from a backup). Cursors of another epoch
 * mean nothing.
 */
export const Epoch = z.string().min(1).max(64)
export const Seq = z.int().min(0)
export const Version = z.int().min(1)

/**
 * Where a device stands in a topic: it holds every change up to and including `seq`. 0 is the start
 * of the log.
 */
export const Cursor = z.strictObject({ epoch: Epoch, seq: Seq }).meta({ id: 'Cursor' })
export type Cursor = z.infer<typeof Cursor>
