// What a request with a token may do. A session may do everything.
import { Fault } from '@lockstep/protocol/errors'
import type { Scope } from '@lockstep/protocol/tokens'
import type { Topic } from '@lockstep/protocol/topics'
import type { Identity } from './sessions.ts'

/** `session`: no token may do it. */
export type Access = Scope | 'session'

/** A command needs `write`, and one that ends a session needs a session. */
export const commandAccess = (topic: Topic, command: string): Access =>
  topic === 'account' && command === 'revoke' ? 'session' : 'write'

/** Throws `forbidden_scope` if the token doesn't cover the request. */
export function needAccess({ token }: Pick<Identity, 'token'>, access: Access): void {
  if (!token) return
  if (access === 'session')
    throw new Fault('forbidden_scope', { detail: 'A token can’t do this: sign in to the account' })
  if (!token.scopes.includes(access))
    throw new Fault('forbidden_scope', { detail: `This token may not ${access}` })
}
