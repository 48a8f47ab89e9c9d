// The session cookie. It is sealed with this server's secrets and holds only the session's id and
// the time of sealing. The session itself is in the database, so nothing in the cookie outlives a
// revocation. A cookie that offers a session also holds what the session begins with.
import { parseCookie, stringifySetCookie } from 'cookie'
import { createSeals } from './seals.ts'

export const SESSION_COOKIE = 'lockstep_session'
/** A session that isn't used, and its cookie, expire after this time (seconds). */
export const SESSION_SECONDS = 30 * 24 * 60 * 60

export interface SealedSession {
  session_id: string
  /** Milliseconds since the epoch. */
  sealed_at: number
  /** The session may not have begun: it begins when the cookie comes back. */
  offer?: SessionOffer
}

/** What an offered session begins with. */
export interface SessionOffer {
  user_id: string
  device: string
  address: string
  /** Milliseconds since the epoch. */
  created_at: number
}

export interface SessionCookie {
  /**
   * The `Set-Cookie` value that signs a browser in.
   * @param secure whether the request came over https
   * @param offer the session hasn't begun; it will with this
   */
  issue(session_id: string, secure: boolean, offer?: SessionOffer): Promise<string>
  /** The `Set-Cookie` value that removes the cookie. */
  clear(secure: boolean): string
  /**
   * All valid values of this name in a raw `Cookie` header, in the header's order. Values that are
   * forged, altered or too old are left out. There may be several values, because neighbouring
   * hosts and longer paths can set cookies that a browser sends first.
   */
  read(header: string | undefined): Promise<SealedSession[]>
}

/** How many opened cookies are remembered. */
const REMEMBERED = 20_000

/** At most this many cookies of the name are examined. */
const MAX_VALUES = 10

/**
 * @param secrets as for `createSeals`: replacing them one by one signs nobody out
 * @param onlySecure every page is served over https, even if the last hop to this server isn't
 * @param path browsers send the cookie only to addresses that begin with this path
 */
export function createSessionCookie(
  secrets: readonly string[],
  now: () => number = Date.now,
  onlySecure = false,
  path = '/',
): SessionCookie {
  const seals = createSeals(secrets)
  const attributes = (secure: boolean, maxAge: number) =>
    ({ httpOnly: true, sameSite: 'lax', path, secure: secure || onlySecure, maxAge }) as const

  // Opening a seal derives keys, which costs more than anything else that a request needs, and
  // requests and tabs bring the same cookies again and again. By value, in the order of last use.
  const opened = new Map<string, SealedSession>()

  function openedBefore(value: string): SealedSession | undefined {
    const known = opened.get(value)
    if (!known) return undefined
    opened.delete(value)
    if (now() >= known.sealed_at + SESSION_SECONDS * 1000) return undefined
    opened.set(value, known)
    return known
  }

  async function open(value: string): Promise<SealedSession | undefined> {
    const { session_id, sealed_at, offer } = await seals.open<SealedSession>(value, SESSION_SECONDS)
    if (typeof session_id !== 'string' || typeof sealed_at !== 'number') return undefined
    const session = { session_id, sealed_at, offer }
    opened.set(value, session)
    if (opened.size > REMEMBERED) opened.delete(opened.keys().next().value!)
    return session
  }

  return {
    async issue(session_id, secure, offer) {
      const sealed: SealedSession = { session_id, sealed_at: now(), ...(offer && { offer }) }
      const value = await seals.seal(sealed, SESSION_SECONDS)
      return stringifySetCookie({
        name: SESSION_COOKIE,
        value,
        ...attributes(secure, SESSION_SECONDS),
      })
    },
    clear: (secure) =>
      stringifySetCookie({ name: SESSION_COOKIE, value: '', ...attributes(secure, 0) }),
    async read(header) {
      const values = (header ?? '')
        .split(';')
        .flatMap((pair) => parseCookie(pair)[SESSION_COOKIE] || [])
      const sessions: SealedSession[] = []
      for (const value of values.slice(0, MAX_VALUES)) {
        const session = openedBefore(value) ?? (await open(value))
        if (session) sessions.push(session)
      }
      return sessions
    },
  }
}
