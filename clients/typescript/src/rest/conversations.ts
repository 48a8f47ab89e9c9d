// REST reads of conversations. The commands go through the outbox, over sockets.
import { Fault } from '@lockstep/protocol/errors'
import { isId } from '@lockstep/protocol/ids'
import type { Answer, Asking } from '@lockstep/protocol/rest'
import type { Call, CallOptions } from './call.ts'

type ListQuery = NonNullable<Asking<'listConversations'>['query']>
type WindowQuery = NonNullable<Asking<'getConversation'>['query']>

/**
 * A page of summaries, newest `updated_at` first. With `q`, only conversations whose title or text
 * contains it.
 */
export const listConversations = (call: Call, query: ListQuery, options?: CallOptions) =>
  call('listConversations', { query }, options)

/**
 * A conversation with a window of its messages, live or in the trash. Throws `not_found`, also if
 * the conversation was moved between the two requests: the change that moved it is still to arrive
 * then.
 */
export async function getConversation(
  call: Call,
  id: string,
  query: Omit<WindowQuery, 'state'>,
): Promise<Answer<'getConversation'>> {
  // What isn't an id names nothing. The server would call it malformed.
  if (!isId(id)) throw new Fault('not_found', { detail: 'There is no such conversation' })
  const read = (state: 'active' | 'trash') =>
    call('getConversation', { params: { id }, query: { ...query, state } })
  return read('active').catch((error: unknown) => {
    if (error instanceof Fault && error.code === 'not_found') return read('trash')
    throw error
  })
}
