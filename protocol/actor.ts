// Who made a change, or did something else that others see.
import * as z from 'zod'
import { Uuid } from './scalars.ts'

/** `session_id` is null for what the server does by itself, and for a token. */
export const Actor = z
  .object({
    session_id: Uuid.nullable().describe('The session that made the change; null for the server'),
    device: z.string().describe('A readable name of the browser or program'),
  })
  .meta({ id: 'Actor' })
export type Actor = z.infer<typeof Actor>
