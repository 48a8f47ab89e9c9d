// Knows who a token belongs to. Tokens are random, so their hash needs no salt: whoever reads the
// database can't use them, and nobody can guess one.
//
//   lsk_…  a service key: the operator's other servers, for whichever user they name
//   lsu_…  a user's own token, for a program
//   lst_…  a short-lived token, which a service key has made for a user
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import type { Scope, UsedToken } from '@lockstep/protocol/tokens'
import { BatchReader } from '../concurrency/batch-reader.ts'
import { derivedId } from '../log/derived-id.ts'
import type { Logger } from '../observability/logger.ts'
import type { SecurityLog } from '../observability/security-log.ts'
import type { Database } from '../store/database.ts'
import type { TokenDocument } from '../store/documents.ts'
import { findLiveTokens, findTokensByHash, noteTokenUse } from '../store/tokens.ts'
import { findIdentities, mayBeUsed, type UserIdentity } from '../store/users.ts'
import type { Identity } from './sessions.ts'

/** The use of a token is noted at most this often (ms). */
const NOTE_MS = 60_000
/** Stands for the expiry of a token that never expires. */
const NEVER = new Date(8.64e15)
const form = /^ls[kut]_[A-Za-z0-9_-]{43}$/

const prefixes = { own: 'lsu_', short: 'lst_' } as const

/** A new token, and the hash that is stored of it. */
export function makeToken(kind: TokenDocument['kind']): { token: string; hash: string } {
  const token = prefixes[kind] + randomBytes(32).toString('base64url')
  return { token, hash: hashOf(token) }
}

const hashOf = (token: string): string => createHash('sha256').update(token).digest('hex')

const serviceId = (digest: string, user_id: string): string =>
  derivedId('service key', digest, user_id)
/** How many ids of tokens, and of users of service keys, are remembered. */
const REMEMBERED = 100_000
/** While a token is used from one address, the security log has a line this often (ms). */
const NOTE_AGAIN_MS = 60 * 60 * 1000

/** Forgets the oldest if there are too many. */
function remember<T>(known: Map<string, T>, id: string, value: T): void {
  known.delete(id)
  known.set(id, value)
  if (known.size > REMEMBERED) known.delete(known.keys().next().value!)
}

export interface Tokens {
  /** Whether this is one of the operator's service keys. */
  isServiceKey(token: string): boolean
  /**
   * Finds the user of a token, by majority reads. Undefined if the token is unknown or has ended,
   * or if the user doesn't exist.
   * @param user_id the user that a request with a service key names. The key acts for this user.
   * @param address where the request comes from, for the security log
   */
  identify(
    token: string,
    user_id: string | undefined,
    address?: string,
  ): Promise<Identity | undefined>
  /** When each of these tokens ends. Left out: tokens that have ended, or whose user is locked. */
  alive(ids: readonly string[]): Promise<Map<string, Date>>
}

export interface TokensDeps {
  database: Database
  /** SHA-256 digests of whole service keys, in lower-case hex. */
  serviceKeys: readonly string[]
  logger: Logger
  security?: SecurityLog
  now?: () => number
}

export function createTokens({
  database,
  serviceKeys,
  logger,
  security,
  now = Date.now,
}: TokensDeps): Tokens {
  const digests = serviceKeys.map((digest) => Buffer.from(digest, 'hex'))
  const tokens = new BatchReader<TokenDocument>((hashes) =>
    findTokensByHash(database, hashes, new Date(now())),
  )
  const users = new BatchReader<UserIdentity>((ids) => findIdentities(database, ids))

  function isServiceKey(token: string): boolean {
    const given = createHash('sha256').update(token).digest()
    return token.startsWith('lsk_') && digests.some((digest) => timingSafeEqual(given, digest))
  }

  /** The users that service keys act for on sockets, by the socket's session id. */
  const serviceUsers = new Map<string, string>()

  function noteUse({ _id, last_used_at }: TokenDocument): void {
    const at = now()
    if (last_used_at && last_used_at.getTime() > at - NOTE_MS) return
    const times = { now: new Date(at), before: new Date(at - NOTE_MS) }
    noteTokenUse(database, _id, times).catch((error: unknown) =>
      logger.warn({ err: error }, 'the use of a token could not be noted'),
    )
  }

  /** By token: when its use was last noted, and from which address. */
  const uses = new Map<string, { address: string | undefined; at: number }>()

  /** Programs ask often: a use from the same address is noted again only after a while. */
  function noteInLog({ user_id, username, session_id, device }: Identity, address?: string): void {
    const at = now()
    const last = uses.get(session_id)
    if (last && last.address === address && last.at > at - NOTE_AGAIN_MS) return
    remember(uses, session_id, { address, at })
    const way = serviceUsers.has(session_id) ? 'service key' : 'token'
    const who = { account: username, user_id, device, address }
    security?.note('token_used', { ...who, way, target: session_id })
  }

  async function identityOf(
    user_id: string,
    used: UsedToken,
    times: Pick<TokenDocument, 'created_at' | 'expires_at'>,
  ): Promise<Identity | undefined> {
    const user = await users.read(user_id)
    if (!mayBeUsed(user)) return undefined
    return {
      user_id: user._id,
      username: user.username,
      host: user.host,
      session_id: used.id,
      device: used.name,
      token: used,
      session_created_at: times.created_at,
      user_created_at: user.created_at,
      expires_at: times.expires_at ?? NEVER,
      stale_cookie: false,
    }
  }

  return {
    isServiceKey,
    async identify(token, user_id, address) {
      if (!form.test(token)) return undefined
      if (isServiceKey(token)) {
        const scopes: Scope[] = ['read', 'write']
        if (user_id === undefined) return undefined
        const used = { id: serviceId(hashOf(token), user_id), name: 'Service key', scopes }
        const identity = await identityOf(user_id, used, { created_at: new Date(now()) })
        if (!identity) return undefined
        remember(serviceUsers, used.id, user_id)
        noteInLog(identity, address)
        return identity
      }
      const document = await tokens.read(hashOf(token))
      if (!document) return undefined
      noteUse(document)
      const { _id: id, name, scopes } = document
      const identity = await identityOf(document.user_id, { id, name, scopes }, document)
      if (identity) noteInLog(identity, address)
      return identity
    },
    async alive(ids) {
      const found = await findLiveTokens(database, ids, new Date(now()))
      // a service key ends with the setting that names it, and so with this process
      for (const id of ids) {
        const user_id = serviceUsers.get(id)
        if (user_id !== undefined) found.set(id, { user_id, expires_at: null })
      }
      const owners = new Set(found.values().map(({ user_id }) => user_id))
      const known = await findIdentities(database, [...owners])
      const alive = [...found].filter(([, { user_id }]) => mayBeUsed(known.get(user_id)))
      return new Map(alive.map(([id, { expires_at }]) => [id, expires_at ?? NEVER]))
    },
  }
}
