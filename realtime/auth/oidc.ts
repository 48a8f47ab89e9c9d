// Signing in at an OpenID Connect provider: authorization code with PKCE, state and nonce. What the browser has to bring back is sealed in a
// short-lived cookie of its own, so any node can finish what another began, and nobody can finish what somebody else began.
import { parseCookie, stringifySetCookie } from 'cookie'
import * as openid from 'openid-client'
import type { Config } from '../config/config.ts'
import type { OidcSettings } from '../config/host-users.ts'
import type { Logger } from '../observability/logger.ts'
import type { HostUser } from './host-user.ts'
import { createSeals } from './seals.ts'

/** Where a sign-in begins; it comes back to `/callback` below it. */
export const OIDC_PATH = '/auth/oidc'
const OIDC_COOKIE = 'lockstep_oidc'
/** How long somebody may take at the provider. */
const FLOW_SECONDS = 600
/** How long the provider may take to answer. */
const TIMEOUT_SECONDS = 5

/** Why nobody is signed in: they said no there, the provider doesn't answer, or something about the answer is wrong. */
export class OidcSignInError extends Error {
  readonly reason: 'cancelled' | 'unavailable' | 'failed'

  constructor(reason: OidcSignInError['reason'], message: string) {
    super(message)
    this.reason = reason
  }
}

export interface Oidc {
  /** Where to send the browser, and the `Set-Cookie` that it has to bring back. `host`: its Host header. Throws `SignInFailed`. */
  begin(host: string): Promise<{ location: string; cookie: string }>
  /** Who came back, with which `Cookie` header and `?…`. Throws `SignInFailed`. */
  finish(cookieHeader: string | undefined, search: string): Promise<HostUser>
  /** The `Set-Cookie` that forgets a sign-in under way. */
  readonly clearCookie: string
  /** For people. */
  readonly link: { name: string; href: string }
}

interface PendingSignIn {
  redirect_uri: string
  state: string
  nonce: string
  code_verifier: string
}

/** Asks the provider nothing before it is needed, and again after it was away. There has to be a public origin for it to come back to. */
export function createOidc(
  settings: OidcSettings,
  { publicOrigins, sessionSecrets }: Pick<Config, 'publicOrigins' | 'sessionSecrets'>,
  logger: Logger,
): Oidc {
  const seals = createSeals(sessionSecrets)
  let found: Promise<openid.Configuration> | undefined

  function provider(): Promise<openid.Configuration> {
    found ??= discover(settings).catch((error: unknown) => {
      found = undefined
      throw error
    })
    return found
  }

  async function trying<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      const failure = explain(error)
      logger.warn(
        { reason: failure.reason, because: failure.message },
        'a sign-in at the provider failed',
      )
      throw failure
    }
  }

  const cookieOf = (value: string, maxAge: number, secure: boolean) =>
    stringifySetCookie({
      name: OIDC_COOKIE,
      value,
      maxAge,
      secure,
      httpOnly: true,
      sameSite: 'lax',
      path: OIDC_PATH,
    })

  return {
    begin: (host) =>
      trying(async () => {
        const origin =
          publicOrigins.find((allowed) => new URL(allowed).host === host) ?? publicOrigins[0]!
        const flow: PendingSignIn = {
          redirect_uri: `${origin}${OIDC_PATH}/callback`,
          state: openid.randomState(),
          nonce: openid.randomNonce(),
          code_verifier: openid.randomPKCECodeVerifier(),
        }
        const { code_verifier, ...shown } = flow
        const location = openid.buildAuthorizationUrl(await provider(), {
          ...shown,
          scope: 'openid profile email',
          code_challenge: await openid.calculatePKCECodeChallenge(code_verifier),
          code_challenge_method: 'S256',
        })
        const sealed = await seals.seal(flow, FLOW_SECONDS)
        return {
          location: location.href,
          cookie: cookieOf(sealed, FLOW_SECONDS, origin.startsWith('https:')),
        }
      }),

    finish: (cookieHeader, search) =>
      trying(async () => {
        const flow = await seals.open<PendingSignIn>(
          parseCookie(cookieHeader ?? '')[OIDC_COOKIE] ?? '',
          FLOW_SECONDS,
        )
        const { redirect_uri, state, nonce, code_verifier } = flow
        if (!redirect_uri || !state || !nonce || !code_verifier)
          throw new OidcSignInError('failed', 'not begun by this browser, or too long ago')
        const config = await provider()
        const checks = {
          expectedState: state,
          expectedNonce: nonce,
          pkceCodeVerifier: code_verifier,
        }
        const tokens = await openid.authorizationCodeGrant(
          config,
          new URL(redirect_uri + search),
          checks,
        )
        const { iss, sub, ...claims } = tokens.claims()!
        return {
          issuer: iss,
          subject: sub,
          names: await namesOf(config, claims, tokens.access_token, sub),
        }
      }),

    clearCookie: cookieOf('', 0, false),
    link: { name: settings.name ?? new URL(settings.issuer).host, href: OIDC_PATH },
  }
}

function discover({ issuer, clientId, clientSecret }: OidcSettings): Promise<openid.Configuration> {
  const execute = [openid.enableNonRepudiationChecks] // the id_token's signature counts, not only the line that it came over
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

/** The way that the specification has as default, unless the provider takes another one only. */
function authentication(secret: string | undefined): openid.ClientAuth {
  if (secret === undefined) return openid.None()
  const [basic, post] = [openid.ClientSecretBasic(secret), openid.ClientSecretPost(secret)]
  return (server, ...rest) => {
    const { token_endpoint_auth_methods_supported: ways = ['client_secret_basic'] } = server
    return (ways.includes('client_secret_basic') ? basic : post)(server, ...rest)
  }
}

/** Some providers tell names only when asked for them. One that then doesn't answer leaves the user without a name, not outside. */
async function namesOf(
  config: openid.Configuration,
  claims: object,
  accessToken: string,
  sub: string,
) {
  const told = ({ preferred_username, email, name }: Record<string, unknown>) =>
    [preferred_username, email, name].filter((value) => typeof value === 'string')
  const names = told({ ...claims })
  if (names.length > 0 || !config.serverMetadata().userinfo_endpoint) return names
  return told(await openid.fetchUserInfo(config, accessToken, sub).catch(() => ({})))
}

/** The library's errors carry tokens and claims behind their messages: only those are kept. */
function explain(error: unknown): OidcSignInError {
  if (error instanceof OidcSignInError) return error
  const { message, cause, code } = error as Error & { code?: string }
  const because = cause instanceof Error ? `${message}: ${cause.message}` : message
  if (error instanceof openid.AuthorizationResponseError)
    return new OidcSignInError(
      error.error === 'access_denied' ? 'cancelled' : 'failed',
      error.error,
    )
  // `fetch` throws a TypeError for a connection that doesn't come to be
  const away =
    error instanceof TypeError ||
    code === 'OAUTH_TIMEOUT' ||
    (cause instanceof Response && cause.status >= 500)
  return new OidcSignInError(away ? 'unavailable' : 'failed', because)
}
