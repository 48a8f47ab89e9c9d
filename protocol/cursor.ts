// Positions in a user's log: `seq` orders the changes of a topic without gaps, `version` orders the
// changes of one entity.
import * as z from 'zod'

export const Epoch = z
  .string()
  .min(1)
  .max(64)
  .describe(
    'Names the log. It changes when the database is restored from a backup; cursors of another epoch mean nothing',
  )
export const Seq = z
  .int()
  .min(0)
  .describe('A position in the log of a topic; the first change is 1')
export const Version = z.int().min(1).describe('How many changes the entity has had')

/**
 * Where a device stands in a topic: it holds every change up to and including `seq`. 0 is the start
 * of the log.
 */
export const Cursor = z
  .strictObject({
    epoch: Epoch,
    seq: Seq.describe('The last change that the device holds; 0 for none'),
  })
  .meta({ id: 'Cursor' })
export type Cursor = z.infer<typeof Cursor>
