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
 * The proxy names the user, and this function authenticates the request as that user. A request
 * without a cookie may come from a program. A program needs no session, and its sessions would push
 * out those of people. So the response only offers a session. The session begins when a request
 * brings the offered cookie back, as a browser does. It revokes the session of another user in the
 * same browser, because nobody will use that one any more.
 */
export function authenticateByProxy(
  proxy: TrustedProxy,
  sessions: Sessions,
  account: Pick<AccountUseCases, 'enter' | 'recognize' | 'revoke'>,
): Authenticate {
  /** The first requests of a page arrive together and share what is begun for one of them. */
  const shared = <Result>(begin: (request: FastifyRequest, user: HostUser) => Promise<Result>) => {
    const begun = new Map<string, Promise<Result>>()
    return (request: FastifyRequest, user: HostUser): Promise<Result> => {
      const key = `${deviceName(request.headers['user-agent'])}\n${user.subject}`
      const before = begun.get(key)
      if (before) return before
      const begins = begin(request, user).finally(() => begun.delete(key))
      begun.set(key, begins)
      return begins
    }
  }

  const visitorOf = ({ ip: address, headers }: FastifyRequest) => ({
    address,
    device: deviceName(headers['user-agent']),
  })

  const startSession = shared((request, user) =>
    account.enter({ ...visitorOf(request), mutation_id: newId() }, user),
  )

  const offerSession = shared(async (request, user) => {
    const visitor = visitorOf(request)
    const { _id: user_id, username, host, created_at } = await account.recognize(visitor, user)
    const at = new Date()
    const identity: Identity = {
      user_id,
      username,
      host,
      session_id: newId(at.getTime()),
      device: visitor.device,
      offered: true,
      session_created_at: at,
      user_created_at: created_at,
      expires_at: at,
      stale_cookie: false,
    }
    return { identity, offer: { user_id, ...visitor, created_at: at.getTime() } }
  })

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
    if (!identity) {
      const { identity: named, offer } = await offerSession(request, claim.user)
      const { session_id } = named
      const cookie = await sessions.cookie.issue(session_id, isSecure(request), offer)
      reply.header('set-cookie', cookie)
      return named
    }
    const { session } = await startSession(request, claim.user)
    await revoke(identity, request.ip)
    const cookie = await sessions.cookie.issue(session.id, isSecure(request))
    reply.header('set-cookie', cookie)
    return sessions.identify(cookie)
  }
}
