// The ids by which a client can follow and stop a reply.
import * as z from 'zod'
import { Uuid } from './scalars.ts'

export const ReplyIds = z
  .object({
    message_id: Uuid.describe('The message that is being written'),
    run_id: Uuid.describe('The run that writes it'),
  })
  .meta({ id: 'ReplyIds' })
export type ReplyIds = z.infer<typeof ReplyIds>
