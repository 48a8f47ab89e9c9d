// The session cookie: a seal that only this server's secrets open. It holds which session and when it was sealed, nothing that could
// outlive a revocation: the session itself is in the database.
import { parseCookie, stringifySetCookie } from 'cookie'
import { sealData, unsealData } from 'iron-session'

export const COOKIE = 'lockstep_session'
/** How long a session lives without being used, and its cookie (seconds). */
export const SESSION_SECONDS = 30 * 24 * 60 * 60

export interface Sealed {
  session_id: string
  /** Milliseconds since the epoch. */
  sealed_at: number
}

export interface SessionCookie {
  /** The value of `Set-Cookie` that signs a browser in; `secure`: it came over https. */
  issue(session_id: string, secure: boolean): Promise<string>
  /** The value of `Set-Cookie` that makes a browser forget. */
  clear(secure: boolean): string
  /** What a raw `Cookie` header holds; undefined when it was sealed by others, was touched, or is too old. */
  read(header: string | undefined): Promise<Sealed | undefined>
}

/** @param secrets 32+ characters each; the first seals, all unseal, so that they can be exchanged without signing anybody out */
export function createSessionCookie(secrets: readonly string[], now: () => number = Date.now): SessionCookie {
  // iron-session names secrets by number inside the seal; one name for all, tried in turn, as positions shift when the oldest is dropped
  const passwords = secrets.map((secret) => ({ 1: secret }))
  const attributes = (secure: boolean, maxAge: number) =>
    ({ httpOnly: true, sameSite: 'lax', path: '/', secure, maxAge }) as const

  return {
    async issue(session_id, secure) {
      const sealed: Sealed = { session_id, sealed_at: now() }
      const value = await sealData(sealed, { password: passwords[0]!, ttl: SESSION_SECONDS })
      return stringifySetCookie({ name: COOKIE, value, ...attributes(secure, SESSION_SECONDS) })
    },
    clear: (secure) => stringifySetCookie({ name: COOKIE, value: '', ...attributes(secure, 0) }),
    async read(header) {
      const value = parseCookie(header ?? '')[COOKIE]
      if (!value) return undefined
      for (const password of passwords) {
        const { session_id, sealed_at } = await unsealData<Partial<Sealed>>(value, { password, ttl: SESSION_SECONDS })
        if (typeof session_id === 'string' && typeof sealed_at === 'number') return { session_id, sealed_at }
      }
      return undefined
    },
  }
}
