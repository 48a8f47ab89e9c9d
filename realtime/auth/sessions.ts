// Who is signed in. The cookie only names a session; whether that is alive is read from the database with every request, so a
// revocation acts at once and everywhere.
import { newId } from '@lockstep/protocol/ids'
import type { Logger } from '../observability/logger.ts'
import type { Database } from '../store/database.ts'
import {
  findLiveSessions,
  findSession,
  insertSession,
  renewSessions,
  type SessionDocument,
  type SessionTimes,
} from '../store/sessions.ts'
import { findUser, type HostIdentity } from '../store/users.ts'
import {
  createSessionCookie,
  SESSION_SECONDS,
  type SealedSession,
  type SessionCookie,
} from './session-cookie.ts'

/** The session's end is pushed forward at most this often (ms). */
const RENEW_MS = 60_000
/** By an open socket more seldom, as there are many and all of them last. */
const RENEW_OPEN_MS = 60 * 60 * 1000
/** A cookie older than this is sealed anew (ms). */
const RESEAL_MS = 24 * 60 * 60 * 1000

export interface Identity {
  user_id: string
  username: string
  /** Of a user whom the host brings. */
  host?: HostIdentity
  session_id: string
  device: string
  session_created_at: Date
  user_created_at: Date
  expires_at: Date
  /** The cookie is more than a day old: an HTTP answer should bring a new one. */
  stale_cookie: boolean
}

export interface Sessions {
  readonly cookie: SessionCookie
  /** Who a raw `Cookie` header belongs to, by majority reads; undefined: nobody is signed in. Renews the session. */
  identify(cookieHeader: string | undefined): Promise<Identity | undefined>
  /**
   * Until when each of these sessions is alive, all of which have an open socket; those that aren't alive are left out. Renews them. One query, so at
   * most about 1000 ids.
   */
  alive(sessionIds: readonly string[]): Promise<Map<string, Date>>
  /** Starts a session of a user who has proved to be it. */
  open(user_id: string, device: string): Promise<SessionDocument>
}

export function createSessions(options: {
  database: Database
  secrets: readonly string[]
  /** Cookies never travel in the clear, whatever a request looks like here. */
  onlySecure?: boolean
  logger: Logger
  now?: () => number
}): Sessions {
  const { database, secrets, logger, now = Date.now } = options
  const cookie = createSessionCookie(secrets, now, options.onlySecure)
  const end = () => new Date(now() + SESSION_SECONDS * 1000)

  /** Nobody waits for it: it only moves an end that is weeks away. */
  function renew(found: readonly SessionTimes[], afterMs: number): void {
    const before = new Date(now() - afterMs)
    const due = found.filter(({ last_seen_at }) => last_seen_at < before).map(({ _id }) => _id)
    if (due.length === 0) return
    renewSessions(database, due, { now: new Date(now()), before, expires_at: end() }).catch(
      (error: unknown) => logger.warn({ err: error }, 'sessions could not be renewed'),
    )
  }

  async function identityOf(sealed: SealedSession): Promise<Identity | undefined> {
    const session = await findSession(database, sealed.session_id, new Date(now()))
    const user = session && (await findUser(database, session.user_id))
    if (!user || user.closing) return undefined
    renew([session], RENEW_MS)
    return {
      user_id: user._id,
      username: user.username,
      host: user.host,
      session_id: session._id,
      device: session.device,
      session_created_at: session.created_at,
      user_created_at: user.created_at,
      expires_at: session.expires_at,
      stale_cookie: now() - sealed.sealed_at > RESEAL_MS,
    }
  }

  return {
    cookie,
    async identify(cookieHeader) {
      for (const sealed of await cookie.read(cookieHeader)) {
        const identity = await identityOf(sealed)
        if (identity) return identity
      }
      return undefined
    },
    async alive(sessionIds) {
      const found = await findLiveSessions(database, sessionIds, new Date(now()))
      renew(found, RENEW_OPEN_MS)
      return new Map(found.map(({ _id, expires_at }) => [_id, expires_at]))
    },
    async open(user_id, device) {
      const at = new Date(now())
      const session = {
        _id: newId(at.getTime()),
        user_id,
        device,
        created_at: at,
        last_seen_at: at,
        expires_at: end(),
      }
      await insertSession(database, session)
      return session
    },
  }
}
