// What developers' tools tell each other about a command's way to all devices. A command's trace id
// is its `mutation_id`: it is in the command, in the log and in the change that every device gets.
import * as z from 'zod'
import { shortText, Uuid } from './scalars.ts'

/** One clock has measured all of them, because the clocks of two devices differ. */
const Ms = z.int().min(0).max(3_600_000)

const Timings = z
  .strictObject({
    sent: Ms.optional().describe('When the command was sent first'),
    acked: Ms.optional().describe('When its ack arrived'),
    applied: Ms.optional().describe('When its change had arrived at the device that issued it'),
    devices: z
      .array(
        z
          .strictObject({
            device: shortText(200).describe('The readable name of another device'),
            ms: Ms.describe('When its report arrived that it has the change'),
          })
          .meta({ id: 'DeviceTiming' }),
      )
      .max(50)
      .optional()
      .describe('The reports of other devices, in the order in which they arrived'),
  })
  .describe('Milliseconds since the key press, by the clock of the device that issued the command')
  .meta({ id: 'Timings' })

export const unloggedTraceCommands = {
  trace: z.strictObject({
    trace_id: Uuid.nullable().describe(
      'The `mutation_id` of the command whose change this device has; null to hear traces only',
    ),
    timings: Timings.optional().describe('Present if this device has issued the command'),
  }),
}
export type TraceReport = z.infer<(typeof unloggedTraceCommands)['trace']>

/** A device reports about a command's change. */
export const Trace = z
  .object({
    trace_id: Uuid.describe('The `mutation_id` of the command'),
    device: z.string().describe('A readable name of the browser or program that reports'),
    timings: Timings.optional().describe('Present if that device has issued the command'),
  })
  .meta({ id: 'Trace' })
export type Trace = z.infer<typeof Trace>
