// Finds out which user a request comes from: by the session cookie or, behind a proxy that signs
// users in, by the proxy's claim first.
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Fault } from '@lockstep/protocol/errors'
import { newId } from '@lockstep/protocol/ids'
import { deviceName } from '../auth/device-name.ts'
import type { HostUser } from '../auth/host-user.ts'
import type { Identity, Sessions } from '../auth/sessions.ts'
import type { Tokens } from '../auth/tokens.ts'
import { contradicts, type TrustedProxy } from '../auth/trusted-proxy.ts'
import type { AccountUseCases } from '../commands/account.ts'

/** Resolves to undefined if nobody is signed in. May set a cookie on the reply. */
export type Authenticate = (
  request: FastifyRequest,
  reply: FastifyReply,
) => Promise<Identity | undefined>

export const isSecure = ({ site }: FastifyRequest): boolean => site.scheme === 'https'

export const authenticateByCookie =
  (sessions: Sessions): Authenticate =>
  (request) =>
    sessions.identify(request.headers.cookie)

/** The token in an `Authorization`; undefined for any other scheme. */
export const bearerOf = (authorization: string): string | undefined =>
  /^bearer +(\S+) *$/i.exec(authorization)?.[1]

/** A request with `Authorization` is judged by that alone, even if it has a good cookie. */
export const authenticateByToken =
  (tokens: Pick<Tokens, 'identify'>, otherwise: Authenticate): Authenticate =>
  async (request, reply) => {
    const { authorization, 'lockstep-user': user } = request.headers
    if (authorization === undefined) return otherwise(request, reply)
    const token = bearerOf(authorization)
    return token === undefined
      ? undefined
      : tokens.identify(
          token,
          user === undefined ? undefined : String(user).toLowerCase(),
          request.ip,
        )
  }

/**
 * Starts a session for a user whom the proxy names. A session of another user in the same browser
 * is revoked, because nobody will use it any more.
 */
export function authenticateByProxy(
  proxy: TrustedProxy,
  sessions: Sessions,
  account: Pick<AccountUseCases, 'enter' | 'revoke'>,
): Authenticate {
  const startingSessions = new Map<string, ReturnType<AccountUseCases['enter']>>()

  /** The first requests of a page arrive together and share one new session. */
  function startSession(
    request: FastifyRequest,
    user: HostUser,
  ): ReturnType<AccountUseCases['enter']> {
    const device = deviceName(request.headers['user-agent'])
    const key = `${device}\n${user.subject}`
    const starting = startingSessions.get(key)
    if (starting) return starting
    const context = { address: request.ip, device, mutation_id: newId() }
    const started = account.enter(context, user).finally(() => startingSessions.delete(key))
    startingSessions.set(key, started)
    return started
  }

  async function revoke(identity: Identity, address: string): Promise<void> {
    try {
      await account.revoke(
        { ...identity, address, mutation_id: newId() },
        { session_id: identity.session_id },
      )
    } catch (error) {
      // not_found: another request of the same page has revoked it
      if (!(error instanceof Fault && error.code === 'not_found')) throw error
    }
  }

  return async (request, reply) => {
    const identity = await sessions.identify(request.headers.cookie)
    const claim = proxy.claimOf(request.raw)
    if (identity && !contradicts(claim, identity)) return identity
    if (!claim?.user) return undefined
    const { session } = await startSession(request, claim.user)
    if (identity) await revoke(identity, request.ip)
    const cookie = await sessions.cookie.issue(session.id, isSecure(request))
    reply.header('set-cookie', cookie)
    return sessions.identify(cookie)
  }
}
