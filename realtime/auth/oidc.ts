// Signs users in at an OpenID Connect provider: the authorization code flow with PKCE, state and
// nonce.
//
//   browser ─► begin ─► provider ─► callback ─► finish ─► HostUser
//
// `begin` seals the secrets of a sign-in in a short-lived cookie. So any node can finish what
// another node began, and only the browser that began a sign-in can finish it.
import { parseCookie, stringifySetCookie } from 'cookie'
import * as openid from 'openid-client'
import type { Config } from '../config/config.ts'
import type { OidcSettings } from '../config/host-users.ts'
import type { Logger } from '../observability/logger.ts'
import { SUBJECT_MAX, type HostSession, type HostUser } from './host-user.ts'
import { readLogoutToken, signingKeys, type EndedHostSignIn } from './logout-token.ts'
import { createSeals, NO_END } from './seals.ts'

/**
 * The path at which a sign-in begins. The provider sends the browser back to `/callback` below it.
 */
export const OIDC_PATH = '/auth/oidc'
const OIDC_COOKIE = 'lockstep_oidc'
/** A sign-in must be finished within this time. */
const SIGN_IN_SECONDS = 600
/** The provider must answer each request within this time. */
const TIMEOUT_SECONDS = 5
/** The address travels in a cookie, which browsers limit. */
const MAX_RETURN_LENGTH = 1_000
/** Where the provider sends browsers back after it has signed somebody out. */
const SIGNED_OUT_PATH = '/app/sign-in?signed-out'
/** A longer id_token isn't kept: it would have to travel in an address. */
const MAX_HINT_LENGTH = 6_000

/**
 * A sign-in that failed. `cancelled`: the user or the provider denied it. `unavailable`: the
 * provider didn't answer. `failed`: the browser or the provider brought back something wrong.
 */
export class OidcSignInError extends Error {
  readonly reason: 'cancelled' | 'unavailable' | 'failed'

  constructor(reason: OidcSignInError['reason'], message: string) {
    super(message)
    this.reason = reason
  }
}

export interface Oidc {
  /**
   * Begins a sign-in: returns the provider's address for the browser and a `Set-Cookie` value that
   * `finish` needs. Throws `OidcSignInError`.
   * @param host the request's Host header
   * @param returnTo what `returnTo` gives back afterwards
   */
  begin(host: string, returnTo?: string): Promise<{ location: string; cookie: string }>
  /**
   * Finishes a sign-in and resolves to the user. Throws `OidcSignInError`.
   * @param search the query with which the browser came back, including its `?`
   */
  finish(cookieHeader: string | undefined, search: string): Promise<HostUser>
  /** The address that the user wanted when the sign-in began, as the page named it. */
  returnTo(cookieHeader: string | undefined): Promise<string | undefined>
  /** The `Set-Cookie` value that removes the cookie of `begin`. */
  readonly clearCookie: string
  /**
   * The provider's address that ends the sign-in there as well and sends the browser back to the
   * sign-in page. Undefined if the provider has no such address or doesn't answer, or if
   * `OIDC_LOGOUT` is off.
   * @param origin of the page that asks
   */
  signOutAddress(origin: string, session: HostSession): Promise<string | undefined>
  /**
   * Checks the token by which the provider says that a sign-in has ended. Throws `OidcSignInError`.
   */
  readLogout(token: string): Promise<EndedHostSignIn>
  /** The link on the sign-in page. */
  readonly link: { name: string; href: string }
}

interface PendingSignIn {
  redirect_uri: string
  state: string
  nonce: string
  code_verifier: string
  return_to?: string
}

/**
 * The first sign-in reads the provider's metadata; if that fails, the next one tries again.
 * `publicOrigins` needs at least one origin, to which the provider sends browsers back.
 */
export function createOidc(
  settings: OidcSettings,
  {
    publicOrigins,
    sessionSecrets,
    basePath = '',
  }: Pick<Config, 'publicOrigins' | 'sessionSecrets' | 'basePath'>,
  logger: Logger,
): Oidc {
  const seals = createSeals(sessionSecrets)
  let discovered: Promise<openid.Configuration> | undefined
  let keys: ReturnType<typeof signingKeys> | undefined

  function configuration(): Promise<openid.Configuration> {
    discovered ??= discover(settings).catch((error: unknown) => {
      discovered = undefined
      throw error
    })
    return discovered
  }

  async function loggingFailure<T>(
    work: () => Promise<T>,
    message = 'an OpenID Connect sign-in failed',
  ): Promise<T> {
    try {
      return await work()
    } catch (error) {
      const failure = toSignInError(error)
      logger.warn({ reason: failure.reason, because: failure.message }, message)
      throw failure
    }
  }

  const originOf = (host: string): string =>
    publicOrigins.find((allowed) => new URL(allowed).host === host) ?? publicOrigins[0]!

  const cookieOf = (value: string, maxAge: number, secure: boolean) =>
    stringifySetCookie({
      name: OIDC_COOKIE,
      value,
      maxAge,
      secure,
      httpOnly: true,
      sameSite: 'lax',
      path: basePath + OIDC_PATH,
    })

  /** The session keeps the id_token sealed: a copy of the database doesn't show its claims. */
  const hintOf = async (hint: string | undefined): Promise<Pick<HostSession, 'id_token'>> =>
    hint === undefined || hint.length > MAX_HINT_LENGTH
      ? {}
      : { id_token: await seals.seal({ hint }, NO_END) }

  const openPending = (cookieHeader: string | undefined) =>
    seals.open<PendingSignIn>(parseCookie(cookieHeader ?? '')[OIDC_COOKIE] ?? '', SIGN_IN_SECONDS)

  return {
    begin: (host, returnTo = '') =>
      loggingFailure(async () => {
        const origin = originOf(host)
        const pending: PendingSignIn = {
          redirect_uri: `${origin}${basePath}${OIDC_PATH}/callback`,
          state: openid.randomState(),
          nonce: openid.randomNonce(),
          code_verifier: openid.randomPKCECodeVerifier(),
        }
        const { code_verifier, ...visible } = pending
        const location = openid.buildAuthorizationUrl(await configuration(), {
          ...visible,
          scope: 'openid profile email',
          code_challenge: await openid.calculatePKCECodeChallenge(code_verifier),
          code_challenge_method: 'S256',
        })
        if (returnTo.length <= MAX_RETURN_LENGTH) pending.return_to = returnTo
        const sealed = await seals.seal(pending, SIGN_IN_SECONDS)
        return {
          location: location.href,
          cookie: cookieOf(sealed, SIGN_IN_SECONDS, origin.startsWith('https:')),
        }
      }),

    finish: (cookieHeader, search) =>
      loggingFailure(async () => {
        const { redirect_uri, state, nonce, code_verifier } = await openPending(cookieHeader)
        if (!redirect_uri || !state || !nonce || !code_verifier)
          throw new OidcSignInError(
            'failed',
            'this browser did not begin the sign-in, or began it too long ago',
          )
        const config = await configuration()
        const checks = {
          expectedState: state,
          expectedNonce: nonce,
          pkceCodeVerifier: code_verifier,
        }
        const at = new Date()
        const tokens = await openid.authorizationCodeGrant(
          config,
          new URL(redirect_uri + search),
          checks,
        )
        const { iss, sub, ...claims } = tokens.claims()!
        if (sub.trim() === '' || sub.length > SUBJECT_MAX)
          throw new OidcSignInError('failed', 'the provider named no usable subject ("sub")')
        return {
          issuer: iss,
          subject: sub,
          names: await namesOf(config, claims, tokens.access_token, sub),
          signedIn: { issued: claims.iat, at },
          session: {
            issuer: iss,
            subject: sub,
            ...(typeof claims.sid === 'string' && { sid: claims.sid }),
            ...(await hintOf(tokens.id_token)),
          },
        }
      }),

    signOutAddress: async (origin, { id_token = '' }) => {
      if (settings.withoutLogout) return undefined
      const config = await configuration().catch(() => undefined)
      if (!config?.serverMetadata().end_session_endpoint) return undefined
      const { hint } = await seals.open<{ hint: string }>(id_token, NO_END)
      return openid.buildEndSessionUrl(config, {
        post_logout_redirect_uri: originOf(new URL(origin).host) + basePath + SIGNED_OUT_PATH,
        ...(hint && { id_token_hint: hint }),
      }).href
    },

    readLogout: (token) =>
      loggingFailure(async () => {
        const { issuer, jwks_uri } = (await configuration()).serverMetadata()
        keys ??= signingKeys(jwks_uri!, TIMEOUT_SECONDS * 1000)
        return readLogoutToken(token, { issuer, clientId: settings.clientId, keys })
      }, 'a back-channel logout was refused'),

    returnTo: async (cookieHeader) => (await openPending(cookieHeader)).return_to || undefined,

    clearCookie: cookieOf('', 0, false),
    link: { name: settings.name ?? new URL(settings.issuer).host, href: OIDC_PATH },
  }
}

function discover({ issuer, clientId, clientSecret }: OidcSettings): Promise<openid.Configuration> {
  // the id_token's signature is checked, although it comes over a connection to the provider itself
  const execute = [openid.enableNonRepudiationChecks]
  if (issuer.startsWith('http:')) execute.push(openid.allowInsecureRequests)
  const options = { timeout: TIMEOUT_SECONDS, execute }
  return openid.discovery(
    new URL(issuer),
    clientId,
    undefined,
    authentication(clientSecret),
    options,
  )
}

/**
 * `client_secret_basic`, the default of the specification; `client_secret_post` if the provider
 * only accepts that.
 */
function authentication(secret: string | undefined): openid.ClientAuth {
  if (secret === undefined) return openid.None()
  const [basic, post] = [openid.ClientSecretBasic(secret), openid.ClientSecretPost(secret)]
  return (server, ...rest) => {
    const { token_endpoint_auth_methods_supported: methods = ['client_secret_basic'] } = server
    return (methods.includes('client_secret_basic') ? basic : post)(server, ...rest)
  }
}

/**
 * Some providers put no names into the id_token, so the userinfo endpoint is asked for them. If it
 * doesn't answer, the user signs in without a name.
 */
async function namesOf(
  config: openid.Configuration,
  claims: object,
  accessToken: string,
  sub: string,
) {
  const namesIn = ({ preferred_username, email, name }: Record<string, unknown>) =>
    [preferred_username, email, name].filter((value) => typeof value === 'string')
  const names = namesIn({ ...claims })
  if (names.length > 0 || !config.serverMetadata().userinfo_endpoint) return names
  return namesIn(await openid.fetchUserInfo(config, accessToken, sub).catch(() => ({})))
}

/**
 * Keeps only the messages of the library's errors, because their other fields contain tokens and
 * claims.
 */
function toSignInError(error: unknown): OidcSignInError {
  if (error instanceof OidcSignInError) return error
  const { message, cause, code } = error as Error & { code?: string }
  const because = cause instanceof Error ? `${message}: ${cause.message}` : message
  if (error instanceof openid.AuthorizationResponseError)
    return new OidcSignInError(
      error.error === 'access_denied' ? 'cancelled' : 'failed',
      error.error,
    )
  // `fetch` throws a TypeError if it can't connect
  const isUnavailable =
    error instanceof TypeError ||
    code === 'OAUTH_TIMEOUT' ||
    (cause instanceof Response && cause.status >= 500)
  return new OidcSignInError(isUnavailable ? 'unavailable' : 'failed', because)
}
