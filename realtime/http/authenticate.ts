// Who asks: by the session cookie, and where a proxy brings its own users, by its word before that.
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Fault } from '@lockstep/protocol/errors'
import { newId } from '@lockstep/protocol/ids'
import { deviceName } from '../auth/device-name.ts'
import type { HostUser } from '../auth/host-user.ts'
import type { Identity, Sessions } from '../auth/sessions.ts'
import { contradicts, type TrustedProxy } from '../auth/trusted-proxy.ts'
import type { AccountUseCases } from '../commands/account.ts'

/** undefined: nobody is signed in. May set a cookie on the answer. */
export type Authenticate = (
  request: FastifyRequest,
  reply: FastifyReply,
) => Promise<Identity | undefined>

export const isSecure = (request: FastifyRequest): boolean => request.protocol === 'https'

export const authenticateByCookie =
  (sessions: Sessions): Authenticate =>
  (request) =>
    sessions.identify(request.headers.cookie)

/** A user whom the proxy names gets a session at once. The session of another one in this browser ends: nobody will use it any more. */
export function authenticateByProxy(
  proxy: TrustedProxy,
  sessions: Sessions,
  account: Pick<AccountUseCases, 'enter' | 'revoke'>,
): Authenticate {
  const entering = new Map<string, ReturnType<AccountUseCases['enter']>>()

  /** The first requests of a page come together, and make one session. */
  function enter(request: FastifyRequest, user: HostUser): ReturnType<AccountUseCases['enter']> {
    const device = deviceName(request.headers['user-agent'])
    const key = `${device}\n${user.subject}`
    const begun = entering.get(key)
    if (begun) return begun
    const visitor = { address: request.ip, device, mutation_id: newId() }
    const entered = account.enter(visitor, user).finally(() => entering.delete(key))
    entering.set(key, entered)
    return entered
  }

  async function end(identity: Identity): Promise<void> {
    try {
      await account.revoke(
        { ...identity, mutation_id: newId() },
        { session_id: identity.session_id },
      )
    } catch (error) {
      // by another request of the same page
      if (!(error instanceof Fault && error.code === 'not_found')) throw error
    }
  }

  return async (request, reply) => {
    const present = await sessions.identify(request.headers.cookie)
    const said = proxy.claimOf(request.raw)
    if (present && !contradicts(said, present)) return present
    if (!said?.user) return undefined
    const { session } = await enter(request, said.user)
    if (present) await end(present)
    const cookie = await sessions.cookie.issue(session.id, isSecure(request))
    reply.header('set-cookie', cookie)
    return sessions.identify(cookie)
  }
}
