// The topics. A topic is a log per user, a namespace and a reducer. `realtime/` and the client
// treat all topics alike.
import * as z from 'zod'

export const topics = ['conversations', 'preferences', 'agents', 'account', 'records'] as const
export const Topic = z.enum(topics).describe('The topic whose log has the change')
export type Topic = z.infer<typeof Topic>
