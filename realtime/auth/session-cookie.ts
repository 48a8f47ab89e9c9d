// The session cookie: a seal that only this server's secrets open. It holds which session and when it was sealed, nothing that could
// outlive a revocation: the session itself is in the database.
import { parseCookie, stringifySetCookie } from 'cookie'
import { createSeals } from './seals.ts'

export const SESSION_COOKIE = 'lockstep_session'
/** How long a session lives without being used, and its cookie (seconds). */
export const SESSION_SECONDS = 30 * 24 * 60 * 60

export interface SealedSession {
  session_id: string
  /** Milliseconds since the epoch. */
  sealed_at: number
}

export interface SessionCookie {
  /** The value of `Set-Cookie` that signs a browser in; `secure`: it came over https. */
  issue(session_id: string, secure: boolean): Promise<string>
  /** The value of `Set-Cookie` that makes a browser forget. */
  clear(secure: boolean): string
  /**
   * All that a raw `Cookie` header holds under this name, in its order, but what was sealed by others, was touched, or is too old. There may be
   * several: neighbouring hosts and longer paths can set some that a browser sends first.
   */
  read(header: string | undefined): Promise<SealedSession[]>
}

/** Cookies of the name that are looked at. */
const MOST = 10

/**
 * @param secrets as of `createSeals`: they can be exchanged without signing anybody out
 * @param onlySecure pages only come over https, also where the last part of the way doesn't
 */
export function createSessionCookie(
  secrets: readonly string[],
  now: () => number = Date.now,
  onlySecure = false,
): SessionCookie {
  const seals = createSeals(secrets)
  const attributes = (secure: boolean, maxAge: number) =>
    ({ httpOnly: true, sameSite: 'lax', path: '/', secure: secure || onlySecure, maxAge }) as const

  return {
    async issue(session_id, secure) {
      const sealed: SealedSession = { session_id, sealed_at: now() }
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
      const sealed: SealedSession[] = []
      for (const value of values.slice(0, MOST)) {
        const { session_id, sealed_at } = await seals.open<SealedSession>(value, SESSION_SECONDS)
        if (typeof session_id === 'string' && typeof sealed_at === 'number')
          sealed.push({ session_id, sealed_at })
      }
      return sealed
    },
  }
}
