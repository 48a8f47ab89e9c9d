// Knows who is signed in. The cookie only names a session. Each request reads the session from the
// database, so a revocation takes effect at once on every node.
import { Fault } from '@lockstep/protocol/errors'
import { newId } from '@lockstep/protocol/ids'
import type { UsedToken } from '@lockstep/protocol/tokens'
import { BatchReader } from '../concurrency/batch-reader.ts'
import type { Caller } from '../log/entry.ts'
import type { Logger } from '../observability/logger.ts'
import type { Database } from '../store/database.ts'
import type { HostIdentity, HostSession, SessionDocument } from '../store/documents.ts'
import {
  deleteSession,
  findLiveSessions,
  findSession,
  findSessions,
  insertSession,
  renewSessions,
  replaceSession,
  type SessionTimes,
} from '../store/sessions.ts'
import { findIdentities, mayBeUsed, type UserIdentity } from '../store/users.ts'
import {
  createSessionCookie,
  SESSION_SECONDS,
  type SealedSession,
  type SessionCookie,
  type SessionOffer,
} from './session-cookie.ts'

/** A request renews its session at most this often (ms). */
const RENEW_MS = 60_000
/**
 * An open socket renews its session at most this often: there are many sockets, and they last long
 * (ms).
 */
const RENEW_OPEN_MS = 60 * 60 * 1000
const DAY_MS = 24 * 60 * 60 * 1000
const DEFAULT_MAX_DAYS = 90
/**
 * For this long after a session was replaced, requests with its cookie are asked to try again (ms):
 * the browser has the new cookie or is about to get it.
 */
const REPLACED_MS = 30_000
const COME_AGAIN_MS = 1_000
/** A cookie older than this is replaced (ms). */
const RESEAL_MS = 24 * 60 * 60 * 1000
/**
 * A session that was offered begins only this long (ms). Pages come back at once; an offer outlives
 * the sign-in at the host app by this time at most.
 */
const OFFER_MS = 2 * 60 * 1000

/** A user who is signed in, and the session by which that is known. */
export interface Identity {
  user_id: string
  username: string
  /** The host app's identity of the user; undefined for a user of this server. */
  host?: HostIdentity
  session_id: string
  /** A readable name of the device. */
  device: string
  session_created_at: Date
  user_created_at: Date
  expires_at: Date
  /** Present if a token takes the place of the session. `session_id` is its id then. */
  token?: UsedToken
  /** There is no session: the response offers one, which begins when its cookie comes back. */
  offered?: true
  /** The cookie is more than a day old, so an HTTP response should bring a new one. */
  stale_cookie: boolean
}

/**
 * Who makes changes under this identity, as commands take it. A token has no session, and one that
 * is only offered hasn't begun.
 */
export const actorOf = ({
  user_id,
  session_id,
  device,
  token,
  offered,
}: Pick<Identity, 'user_id' | 'session_id' | 'device' | 'token' | 'offered'>): Caller => ({
  user_id,
  session_id: token || offered ? null : session_id,
  device,
})

export interface Sessions {
  readonly cookie: SessionCookie
  /**
   * The user to whom a raw `Cookie` header belongs, by majority reads; undefined if nobody is
   * signed in. Renews the session. Throws `unauthenticated` with `retry_after_ms` if the session
   * was replaced a moment ago.
   */
  identify(cookieHeader: string | undefined): Promise<Identity | undefined>
  /**
   * When each of these sessions will expire; sessions that aren't alive are left out. Renews them,
   * so each must have an open socket. It is one query, so pass at most about 1000 ids.
   */
  alive(sessionIds: readonly string[]): Promise<Map<string, Date>>
  /**
   * Whether requests with this session's cookie still count: it hasn't ended, and no other session
   * has taken its place. Renews it.
   */
  isCurrent(session_id: string): Promise<boolean>
  /** Whether this user may still use the server. */
  admits(user_id: string): Promise<boolean>
  /**
   * Starts a session for a user who has authenticated; `host`: at a provider; `offered`: the
   * session that a cookie has offered, which is started once however often it is asked for.
   */
  open(
    user_id: string,
    from: {
      device: string
      address: string
      host?: HostSession
      offered?: { id: string; created_at: Date }
    },
  ): Promise<SessionDocument>
  /**
   * Gives a session a new id. A copy of its cookie is worth nothing from then on. Resolves to
   * undefined if the session has ended.
   */
  renewId(user_id: string, session_id: string): Promise<SessionDocument | undefined>
  /** Ends a session whose browser has another one now. False if it had ended before. */
  replace(user_id: string, session_id: string, replaced_by: string): Promise<boolean>
}

export interface SessionsDeps {
  database: Database
  /** As for `createSeals`. */
  secrets: readonly string[]
  /** Every page is served over https, so cookies are always `Secure`. */
  onlySecure?: boolean
  /** As for HTTP. */
  basePath?: string
  /** A session ends this many days after its sign-in, however much it is used. Default: 90. */
  maxDays?: number
  /** Begins a session that a cookie has offered; undefined if it has ended or may not begin. */
  beginOffered?(session_id: string, offer: SessionOffer): Promise<SessionDocument | undefined>
  logger: Logger
  now?: () => number
}

export function createSessions(deps: SessionsDeps): Sessions {
  const { database, secrets, logger, now = Date.now } = deps
  const cookie = createSessionCookie(secrets, now, deps.onlySecure, deps.basePath || '/')
  // requests and tabs that come at about the same time share the look-ups
  const sessions = new BatchReader<SessionDocument>((ids) =>
    findSessions(database, ids, new Date(now())),
  )
  const users = new BatchReader<UserIdentity>((ids) => findIdentities(database, ids))
  const maxMs = (deps.maxDays ?? DEFAULT_MAX_DAYS) * DAY_MS
  const lastMoment = ({ created_at }: Pick<SessionDocument, 'created_at'>) =>
    created_at.getTime() + maxMs
  /** When a session that is used now expires: weeks after its use, or at its last moment. */
  const newExpiry = (session: Pick<SessionDocument, 'created_at'>) =>
    new Date(Math.min(now() + SESSION_SECONDS * 1000, lastMoment(session)))
  /** The stored expiry may be too late, if `SESSION_MAX_DAYS` was lowered since. */
  const expiryOf = (session: SessionTimes) =>
    new Date(Math.min(session.expires_at.getTime(), lastMoment(session)))
  const isOver = (session: SessionTimes) => expiryOf(session).getTime() <= now()

  /** Runs in the background, because the expiry that it moves is weeks away. */
  function renew(sessions: readonly SessionTimes[], afterMs: number): void {
    const before = new Date(now() - afterMs)
    const due = sessions.filter(({ last_seen_at }) => last_seen_at < before)
    const times = { now: new Date(now()), before }
    for (const [expiry, group] of Map.groupBy(due, (session) => newExpiry(session).getTime()))
      renewSessions(
        database,
        group.map(({ _id }) => _id),
        { ...times, expires_at: new Date(expiry) },
      ).catch((error: unknown) => logger.warn({ err: error }, 'could not renew sessions'))
  }

  const replace: Sessions['replace'] = (user_id, _id, replaced_by) => {
    const expires_at = new Date(now() + REPLACED_MS)
    return replaceSession(database, { _id, user_id }, { replaced_by, expires_at })
  }

  async function sessionOf({ session_id, sealed_at, offer }: SealedSession) {
    const session = await sessions.read(session_id)
    if (session || !offer || now() - sealed_at > OFFER_MS) return session
    return deps.beginOffered?.(session_id, offer)
  }

  async function identityOf(sealed: SealedSession): Promise<Identity | 'replaced' | undefined> {
    const session = await sessionOf(sealed)
    if (session?.replaced_by !== undefined) return 'replaced'
    const user = session && (await users.read(session.user_id))
    if (!session || !mayBeUsed(user) || isOver(session)) return undefined
    renew([session], RENEW_MS)
    return {
      user_id: user._id,
      username: user.username,
      host: user.host,
      session_id: session._id,
      device: session.device,
      session_created_at: session.created_at,
      user_created_at: user.created_at,
      expires_at: expiryOf(session),
      stale_cookie: now() - sealed.sealed_at > RESEAL_MS,
    }
  }

  return {
    cookie,
    async identify(cookieHeader) {
      let wasReplaced = false
      for (const sealed of await cookie.read(cookieHeader)) {
        const identity = await identityOf(sealed)
        if (identity === 'replaced') wasReplaced = true
        else if (identity) return identity
      }
      if (!wasReplaced) return undefined
      throw new Fault('unauthenticated', {
        detail: 'This session has a new cookie: send the request again with it',
        retry_after_ms: COME_AGAIN_MS,
      })
    },
    async alive(sessionIds) {
      const found = await findLiveSessions(database, sessionIds, new Date(now()))
      const alive = found.filter((session) => !isOver(session))
      renew(alive, RENEW_OPEN_MS)
      return new Map(alive.map((session) => [session._id, expiryOf(session)]))
    },
    async isCurrent(session_id) {
      const session = await sessions.read(session_id)
      if (!session || session.replaced_by !== undefined || isOver(session)) return false
      renew([session], RENEW_OPEN_MS)
      return true
    },
    replace,
    admits: async (user_id) => mayBeUsed(await users.read(user_id)),
    async renewId(user_id, session_id) {
      const at = new Date(now())
      const session = await findSession(database, session_id, at)
      if (session?.user_id !== user_id) return undefined
      const renewed = { ...session, _id: newId(at.getTime()), confirmed_at: at }
      await insertSession(database, renewed)
      if (await replace(user_id, session_id, renewed._id)) return renewed
      await deleteSession(database, user_id, renewed._id)
      return undefined
    },
    async open(user_id, { device, address, host, offered }) {
      const at = new Date(now())
      const created_at = offered?.created_at ?? at
      const session = {
        _id: offered?.id ?? newId(at.getTime()),
        user_id,
        device,
        address,
        created_at,
        last_seen_at: at,
        expires_at: newExpiry({ created_at }),
        ...(host && { host }),
      }
      await insertSession(database, session, offered !== undefined)
      return session
    },
  }
}
