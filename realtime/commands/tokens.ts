// What users do with their tokens, and the operator's other servers with those that they make for
// users. A revocation deletes the document first, so that the token is dead on every node, and then
// ends its sockets.
import { Fault } from '@lockstep/protocol/errors'
import { newId } from '@lockstep/protocol/ids'
import type { Answer, Asked } from '@lockstep/protocol/rest'
import type { Token } from '@lockstep/protocol/tokens'
import { hostIdOf } from '../auth/trusted-proxy.ts'
import { makeToken } from '../auth/tokens.ts'
import type { Caller } from '../log/entry.ts'
import type { Log } from '../log/log.ts'
import type { Database } from '../store/database.ts'
import type { TokenDocument } from '../store/documents.ts'
import { countTokensOf, deleteToken, findTokensOf, insertToken } from '../store/tokens.ts'
import { accountOfHost } from './new-account.ts'
import { createRecentSignIn } from './recent-sign-in.ts'
import { refusalOf, type SignInContext } from './sign-in.ts'
import type { SessionSockets } from './session-sockets.ts'

/** A user has at most so many tokens, the short-lived ones included. */
const MAX_TOKENS = 1_000
const TRY_AGAIN_MS = 60_000

/** From where a service key is used. */
type TokenVisitor = Pick<SignInContext, 'address' | 'device'>

export interface TokenUseCases {
  list(user_id: string): Promise<Answer<'listTokens'>>
  /**
   * Faults: `invalid_credentials` without a recent sign-in, `invalid` for an end that is over,
   * `rate_limited` when there are too many tokens.
   */
  create(caller: Caller, wanted: Asked<'createToken'>['body']): Promise<Answer<'createToken'>>
  /** Throws `not_found` if the user has no such token. */
  revoke(caller: Caller, id: string): Promise<void>
  /**
   * For the operator's other servers. The first token of a host's user creates the account. Throws
   * `unauthenticated` for an account that is locked or waits.
   */
  createForHost(
    visitor: TokenVisitor,
    wanted: Asked<'createUserToken'>['body'],
  ): Promise<Answer<'createUserToken'>>
}

export interface TokenDeps {
  database: Database
  log: Log
  devices: Pick<SessionSockets, 'disconnectSessions'>
}

export function createTokenUseCases({ database, log, devices }: TokenDeps): TokenUseCases {
  const recentSignIn = createRecentSignIn(database)

  async function insert(
    wanted: Omit<TokenDocument, '_id' | 'hash' | 'created_at' | 'last_used_at'>,
  ): Promise<{ token: string; document: TokenDocument }> {
    if ((await countTokensOf(database, wanted.user_id)) >= MAX_TOKENS)
      throw new Fault('rate_limited', {
        detail: `An account has at most ${MAX_TOKENS} tokens: revoke some`,
        retry_after_ms: TRY_AGAIN_MS,
      })
    const { token, hash } = makeToken(wanted.kind)
    const created = { created_at: new Date(), last_used_at: null }
    const document = { _id: newId(), hash, ...wanted, ...created }
    await insertToken(database, document)
    return { token, document }
  }

  return {
    list: async (user_id) => ({
      items: (await findTokensOf(database, user_id, new Date())).map(toToken),
    }),

    async create(caller, { name, scopes, expires_at }) {
      // it outlives the session, and a change of the password; without one, a proxy has just said
      // who it is
      if (caller.session_id !== null) await recentSignIn.need(caller, 'make the token')
      const end = expires_at === undefined ? undefined : new Date(expires_at)
      if (end && end.getTime() <= Date.now())
        throw new Fault('invalid', {
          issues: [{ path: 'expires_at', message: 'must be in the future' }],
        })
      const kind = 'own'
      const { token, document } = await insert({
        ...{ user_id: caller.user_id, kind, name, scopes },
        ...(end && { expires_at: end }),
      })
      return { ...toToken(document), token }
    },

    async revoke({ user_id }, id) {
      if (!(await deleteToken(database, user_id, id)))
        throw new Fault('not_found', { detail: 'There is no such token' })
      devices.disconnectSessions([id])
    },

    async createForHost(_visitor, { user: subject, name, scopes, ttl_s }) {
      const host = { ...hostIdOf(subject), names: [subject] }
      // the key's holder decides who may make an account here, not SIGN_UP
      const user = await accountOfHost({ database, log }, host, () => ({}))
      const refusal = refusalOf(user)
      if (refusal) throw new Fault('unauthenticated', refusal)
      const { _id, username, created_at } = user
      const expires_at = new Date(Date.now() + ttl_s * 1_000)
      const { token } = await insert({ user_id: _id, kind: 'short', name, scopes, expires_at })
      return {
        token,
        expires_at: expires_at.toISOString(),
        user: { id: _id, username, created_at: created_at.toISOString() },
      }
    },
  }
}

const toToken = ({
  _id,
  name,
  scopes,
  created_at,
  last_used_at,
  expires_at,
}: TokenDocument): Token => ({
  id: _id,
  name,
  scopes,
  created_at: created_at.toISOString(),
  last_used_at: last_used_at?.toISOString() ?? null,
  expires_at: expires_at?.toISOString() ?? null,
})
