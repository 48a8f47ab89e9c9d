// The logout token of OpenID Connect's back-channel logout: a provider's signed statement that a
// sign-in has ended there. A token counts only if this provider made it for this client within the
// last minutes. An id_token is signed in the same way, but it is never taken for a logout token.
import { createRemoteJWKSet, jwtVerify, type JWTPayload, type JWTVerifyGetKey } from 'jose'

/** A sign-in that ended at the provider: one of a user, or all of them if there is no `sid`. */
export interface EndedHostSignIn {
  issuer: string
  subject?: string
  sid?: string
  /** The token's id: a token counts once. */
  jti: string
  /** The provider's time; seconds. */
  issued: number
}

const EVENT = 'http://schemas.openid.net/event/backchannel-logout'
/** A token older than this is refused (seconds). That it was used is remembered for longer. */
const MAX_AGE_SECONDS = 300
/** How much the provider's clock may differ from ours (seconds). */
const TOLERANCE_SECONDS = 60
/** Public-key algorithms only: whoever can check a token must not be able to make one. */
const algorithms = ['RS', 'PS', 'ES']
  .flatMap((family) => ['256', '384', '512'].map((bits) => family + bits))
  .concat('EdDSA', 'Ed25519')
/** The longest name of a user, a sign-in or a token. */
const MAX_CLAIM = 255

export interface LogoutTokenDeps {
  issuer: string
  clientId: string
  keys: JWTVerifyGetKey
}

/** The provider's signing keys. They are read when they are needed, and again if they rotate. */
export const signingKeys = (jwksUri: string, timeoutMs: number): JWTVerifyGetKey =>
  createRemoteJWKSet(new URL(jwksUri), { timeoutDuration: timeoutMs })

/** Rejects with an error whose message says what is wrong, and never holds the token. */
export async function readLogoutToken(
  token: string,
  { issuer, clientId, keys }: LogoutTokenDeps,
): Promise<EndedHostSignIn> {
  const { payload, protectedHeader } = await jwtVerify(token, keys, {
    issuer,
    audience: clientId,
    algorithms,
    maxTokenAge: MAX_AGE_SECONDS,
    clockTolerance: TOLERANCE_SECONDS,
    requiredClaims: ['iat', 'jti', 'events'],
  })
  const { typ = 'JWT' } = protectedHeader
  if (!/^(?:application\/)?(?:logout\+jwt|jwt)$/i.test(typ)) throw invalid('is of another type')
  if (!isLogout(payload.events)) throw invalid('tells of no logout')
  if ('nonce' in payload) throw invalid('has a nonce, as an id_token has')
  const [jti, subject, sid] = ['jti', 'sub', 'sid'].map((name) => textClaim(payload, name))
  if (jti === undefined) throw invalid('has no id')
  if (subject === undefined && sid === undefined) throw invalid('names no user and no sign-in')
  return { issuer, jti, issued: payload.iat!, ...(subject && { subject }), ...(sid && { sid }) }
}

function isLogout(events: unknown): boolean {
  if (typeof events !== 'object' || events === null) return false
  const event: unknown = (events as Record<string, unknown>)[EVENT]
  return typeof event === 'object' && event !== null && !Array.isArray(event)
}

function textClaim(payload: JWTPayload, name: string): string | undefined {
  const value = payload[name]
  if (value === undefined) return undefined
  if (typeof value !== 'string' || value.trim() === '' || value.length > MAX_CLAIM)
    throw invalid(`has an unusable ${name}`)
  return value
}

const invalid = (what: string) => new Error(`the logout token ${what}`)
