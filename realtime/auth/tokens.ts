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
import type { Database } from '../store/database.ts'
import type { TokenDocument } from '../store/documents.ts'
import { findLiveTokens, findTokensByHash, noteTokenUse } from '../store/tokens.ts'
import { findIdentities, type UserIdentity } from '../store/users.ts'
import type { Identity } from './sessions.ts'

/** The use of a token is noted at most this often (ms). */
const NOTE_MS = 60_000
/** The end of what has none. */
const NEVER = new Date(8.64e15)
const form = /^ls[kut]_[A-Za-z0-9_-]{43}$/

const prefixes = { own: 'lsu_', short: 'lst_' } as const

/** A new token, and the hash that is stored of it. */
export function makeToken(kind: TokenDocument['kind']): { token: string; hash: string } {
  const token = prefixes[kind] + randomBytes(32).toString('base64url')
  return { token, hash: hashOf(token) }
}

const hashOf = (token: string): string => createHash('sha256').update(token).digest('hex')

const serviceId = (digest: string): string => derivedId('service key', digest)

export interface Tokens {
  /** Whether this is one of the operator's service keys. */
  isServiceKey(token: string): boolean
  /**
   * Finds the user of a token, by majority reads. A service key acts for the user `user_id`.
   * undefined: the token is unknown or has ended, or the user doesn't exist.
   */
  identify(token: string, user_id: string | undefined): Promise<Identity | undefined>
  /** When each of these tokens ends. Those that have ended are left out. */
  alive(ids: readonly string[]): Promise<Map<string, Date>>
}

export interface TokensDeps {
  database: Database
  /** SHA-256 digests of whole service keys, in lower-case hex. */
  serviceKeys: readonly string[]
  logger: Logger
  now?: () => number
}

export function createTokens({
  database,
  serviceKeys,
  logger,
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

  /** The ids by which the sockets of service keys are known. */
  const serviceIds = new Set(serviceKeys.map(serviceId))

  function noteUse({ _id, last_used_at }: TokenDocument): void {
    const at = now()
    if (last_used_at && last_used_at.getTime() > at - NOTE_MS) return
    const times = { now: new Date(at), before: new Date(at - NOTE_MS) }
    noteTokenUse(database, _id, times).catch((error: unknown) =>
      logger.warn({ err: error }, 'the use of a token could not be noted'),
    )
  }

  async function identityOf(
    user_id: string,
    used: UsedToken,
    times: Pick<TokenDocument, 'created_at' | 'expires_at'>,
  ): Promise<Identity | undefined> {
    const user = await users.read(user_id)
    if (!user || user.closing || user.locked || user.waiting) return undefined
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
    async identify(token, user_id) {
      if (!form.test(token)) return undefined
      if (isServiceKey(token)) {
        const scopes: Scope[] = ['read', 'write']
        const used = { id: serviceId(hashOf(token)), name: 'Service key', scopes }
        return user_id === undefined
          ? undefined
          : identityOf(user_id, used, { created_at: new Date(now()) })
      }
      const document = await tokens.read(hashOf(token))
      if (!document) return undefined
      noteUse(document)
      const { _id: id, name, scopes } = document
      return identityOf(document.user_id, { id, name, scopes }, document)
    },
    async alive(ids) {
      const found = await findLiveTokens(database, ids, new Date(now()))
      const alive = new Map(Array.from(found, ([id, end]) => [id, end ?? NEVER]))
      // a service key ends with the setting that names it, and so with this process
      for (const id of ids) if (serviceIds.has(id)) alive.set(id, NEVER)
      return alive
    },
  }
}
