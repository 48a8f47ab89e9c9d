// Users whom a proxy in front has signed in. Its word counts only beside its secret, so that whoever else reaches the port can name nobody;
// there it counts in full: a session of one of its users is nothing on a request for which it names another, or nobody.
import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { TrustedProxySettings } from '../config/host-users.ts'
import type { Logger } from '../observability/logger.ts'
import { SUBJECT_MAX, type HostUser } from './host-user.ts'
import type { Identity, Sessions } from './sessions.ts'

/** Header with the proxy's secret. */
const SECRET_HEADER = 'lockstep-proxy-secret'
/** Of identities that the proxy tells. */
const ISSUER = 'proxy'

export interface TrustedProxy {
  /** What the proxy says of a request: its user, if it has one. undefined: it says nothing, the request isn't its. */
  claimOf(request: IncomingMessage): { user: HostUser | undefined } | undefined
  /** These sessions, for sockets: one that the proxy's word about the request contradicts is nobody's. */
  guardSessions(sessions: Sessions): {
    alive: Sessions['alive']
    identify(
      cookieHeader: string | undefined,
      request?: IncomingMessage,
    ): Promise<Identity | undefined>
  }
}

export function createTrustedProxy(settings: TrustedProxySettings, logger: Logger): TrustedProxy {
  const { userHeader, nameHeader } = settings
  const digests = settings.secrets.map(digest)

  /** undefined also for one that came twice: a visitor's own beside the proxy's. */
  function only(request: IncomingMessage, name: string | undefined): string | undefined {
    const values = request.headersDistinct[name ?? ''] ?? []
    return values.length === 1 && values[0] ? values[0] : undefined
  }

  function isTheProxys(request: IncomingMessage): boolean {
    const given = digest(only(request, SECRET_HEADER) ?? '')
    return digests.map((right) => timingSafeEqual(given, right)).includes(true)
  }

  const word: TrustedProxy['claimOf'] = (request) => {
    if (!isTheProxys(request)) {
      if (request.headers[userHeader] !== undefined || request.headers[SECRET_HEADER] !== undefined)
        logger.warn(
          { address: request.socket.remoteAddress },
          `${userHeader} without the proxy's secret is ignored`,
        )
      return undefined
    }
    const subject = only(request, userHeader)
    if (subject === undefined || subject.length > SUBJECT_MAX) {
      if (request.headers[userHeader])
        logger.warn(`${userHeader} comes twice or is too long: it names nobody`)
      return { user: undefined }
    }
    const names = [only(request, nameHeader), subject].map((name) =>
      Buffer.from(name ?? '', 'latin1').toString('utf8'),
    )
    return { user: { issuer: ISSUER, subject, names } }
  }

  return {
    claimOf: word,
    guardSessions: (sessions) => ({
      alive: sessions.alive,
      async identify(cookieHeader, request) {
        const identity = await sessions.identify(cookieHeader)
        return identity && contradicts(request && word(request), identity) ? undefined : identity
      },
    }),
  }
}

/** The proxy names somebody else than the session is of, or nobody although the session is one of its users. */
export function contradicts(
  said: ReturnType<TrustedProxy['claimOf']>,
  { host }: Pick<Identity, 'host'>,
): boolean {
  if (!said) return false
  const known = host?.issuer === ISSUER ? host.subject : undefined
  return known !== said.user?.subject
}

/** Of equal length whatever the secret's is, as the comparison in constant time needs it. */
const digest = (secret: string): Buffer => createHash('sha256').update(secret).digest()
