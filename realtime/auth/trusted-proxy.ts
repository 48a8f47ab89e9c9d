// Users whom a proxy in front of this server has signed in. The proxy's headers count only together
// with its secret, so nobody else who reaches the port can claim to be a user. With the secret they
// count in full: if the proxy names another user or none, a session of one of its users isn't valid
// for that request.
import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { TrustedProxySettings } from '../config/host-users.ts'
import type { Logger } from '../observability/logger.ts'
import type { SecurityLog } from '../observability/security-log.ts'
import type { HostIdentity } from '../store/documents.ts'
import { SUBJECT_MAX, type HostUser } from './host-user.ts'
import type { Identity, Sessions } from './sessions.ts'

/** The header with the proxy's secret. */
const SECRET_HEADER = 'lockstep-proxy-secret'
/** The issuer of the identities that the proxy names. */
const ISSUER = 'proxy'

/**
 * The identity of the host's user with this id, as a proxy would name it: a header carries the
 * bytes of UTF-8, which Node.js reads one by one.
 */
export const hostIdOf = (id: string): HostIdentity => ({
  issuer: ISSUER,
  subject: Buffer.from(id, 'utf8').toString('latin1'),
})

/**
 * What the proxy says about a request: it comes from this user, or from nobody who is signed in.
 */
export interface ProxyClaim {
  user: HostUser | undefined
}

export interface TrustedProxy {
  /** The proxy's claim about a request; undefined if the request didn't come through the proxy. */
  claimOf(request: IncomingMessage): ProxyClaim | undefined
  /** `sessions` for sockets: `identify` ignores a session that the proxy's claim contradicts. */
  guardSessions(sessions: Sessions): {
    alive: Sessions['alive']
    identify(
      cookieHeader: string | undefined,
      request?: IncomingMessage,
    ): Promise<Identity | undefined>
  }
}

export interface TrustedProxyDeps {
  /** The visitor's address. */
  addressOf(request: IncomingMessage): string
  logger: Logger
  security?: SecurityLog
}

export function createTrustedProxy(
  settings: TrustedProxySettings,
  { addressOf, logger, security }: TrustedProxyDeps,
): TrustedProxy {
  const { userHeader, nameHeader } = settings
  const digests = settings.secrets.map(digest)

  /**
   * The header's value; undefined if it is absent, empty or sent twice (by the visitor and by the
   * proxy).
   */
  function singleValue(request: IncomingMessage, name: string | undefined): string | undefined {
    const values = request.headersDistinct[name ?? ''] ?? []
    return values.length === 1 && values[0] ? values[0] : undefined
  }

  function hasSecret(request: IncomingMessage): boolean {
    const given = digest(singleValue(request, SECRET_HEADER) ?? '')
    return digests.map((valid) => timingSafeEqual(given, valid)).includes(true)
  }

  function noteRefusal(request: IncomingMessage, reason: string, why: string): void {
    const address = addressOf(request)
    logger.warn({ address }, `ignored ${userHeader}: ${why}`)
    security?.note('sign_in_by_host_refused', { account: null, address, reason })
  }

  function claimOf(request: IncomingMessage): ProxyClaim | undefined {
    if (!hasSecret(request)) {
      if (request.headers[userHeader] !== undefined || request.headers[SECRET_HEADER] !== undefined)
        noteRefusal(request, 'no secret', "it came without the proxy's secret")
      return undefined
    }
    const subject = singleValue(request, userHeader)
    if (subject === undefined || subject.length > SUBJECT_MAX) {
      if (request.headers[userHeader])
        noteRefusal(request, 'unclear user', 'it was sent twice or is too long')
      return { user: undefined }
    }
    const names = [singleValue(request, nameHeader), subject].map((name) =>
      Buffer.from(name ?? '', 'latin1').toString('utf8'),
    )
    return { user: { issuer: ISSUER, subject, names } }
  }

  return {
    claimOf,
    guardSessions: (sessions) => ({
      alive: sessions.alive,
      async identify(cookieHeader, request) {
        const identity = await sessions.identify(cookieHeader)
        const claim = request && claimOf(request)
        return identity && contradicts(claim, identity) ? undefined : identity
      },
    }),
  }
}

/**
 * Whether the proxy names another user than the session's, or names nobody although the session is
 * one of its users'.
 */
export function contradicts(
  claim: ProxyClaim | undefined,
  { host }: Pick<Identity, 'host'>,
): boolean {
  if (!claim) return false
  const subject = host?.issuer === ISSUER ? host.subject : undefined
  return subject !== claim.user?.subject
}

/** The comparison in constant time needs values of equal length. */
const digest = (secret: string): Buffer => createHash('sha256').update(secret).digest()
