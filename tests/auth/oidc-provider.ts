// A small OpenID Connect provider. It checks what a client must do (PKCE, client authentication,
// the redirect address) and misbehaves as a test tells it to.
import { createHash, generateKeyPairSync, randomUUID, sign, type KeyObject } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'

type Json = Record<string, unknown>

export const client = { clientId: 'lockstep', clientSecret: 'a secret of the client: 100%' }

const keys = () => generateKeyPairSync('ec', { namedCurve: 'P-256' })
const base64 = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')

function jwtOf(claims: Json, key: KeyObject, header: Json = {}): string {
  const signed = `${base64({ alg: 'ES256', kid: 'key', typ: 'JWT', ...header })}.${base64(claims)}`
  return `${signed}.${sign('sha256', Buffer.from(signed), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`
}

export class OidcProvider implements AsyncDisposable {
  /** The user who is signed in at the provider. */
  user: Json = { sub: 'subject-of-alice', preferred_username: 'Alice' }
  /** Claims that only the userinfo endpoint returns. */
  userinfo: Json = {}
  /** Changes the claims of the next tokens. */
  changeClaims: (claims: Json) => Json = (claims) => claims
  /** Sends browsers back with this error instead of a code. */
  errorCode: string | undefined
  /** Closes the connection of every request (`true`) or of requests to one path. */
  unreachable: true | string | undefined
  /** Accepts any `code_verifier`. */
  acceptsAnyVerifier = false
  /** Signs with a key that isn't in its key set. */
  signsWithUnknownKey = false
  /** The methods by which a client may authenticate. */
  authMethods = ['client_secret_basic', 'client_secret_post']
  /** Happens before the userinfo endpoint answers. */
  beforeUserinfo: () => Promise<void> = () => Promise.resolve()
  /** The name of the sign-ins that it makes. */
  sid: string | undefined
  /** Where it was asked to sign people out. */
  readonly signOuts: URLSearchParams[] = []
  /** Every value that must not appear in a log. */
  readonly secrets: string[] = [client.clientSecret]
  readonly #key = keys()
  readonly #codes = new Map<string, URLSearchParams>()
  readonly #server = createServer((request, response) => void this.#answer(request, response))

  static async start(port = 0): Promise<OidcProvider> {
    const provider = new OidcProvider()
    provider.#server.listen(port, '127.0.0.1')
    await once(provider.#server, 'listening')
    return provider
  }

  /** Restores the behaviour of a new provider. */
  reset(): void {
    const { user, userinfo, beforeUserinfo } = new OidcProvider()
    const { changeClaims, errorCode, unreachable, sid } = new OidcProvider()
    Object.assign(this, { beforeUserinfo })
    const { acceptsAnyVerifier, signsWithUnknownKey, authMethods } = new OidcProvider()
    Object.assign(this, { user, userinfo, changeClaims, errorCode, unreachable, sid })
    Object.assign(this, { acceptsAnyVerifier, signsWithUnknownKey, authMethods })
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }
  get issuer(): string {
    return `http://127.0.0.1:${this.port}`
  }

  /** A token that says that sign-ins have ended, for the back channel. */
  logoutToken(claims: Json = {}, { header = {}, foreignKey = false } = {}): string {
    const iat = Math.floor(Date.now() / 1000)
    const usual = { iss: this.issuer, aud: client.clientId, iat, exp: iat + 120, jti: randomUUID() }
    const events = { 'http://schemas.openid.net/event/backchannel-logout': {} }
    const key = (foreignKey ? keys() : this.#key).privateKey
    const given = Object.entries({ ...usual, events, ...claims })
    const present = Object.fromEntries(given.filter(([, value]) => value !== undefined))
    const token = jwtOf(present, key, { typ: 'logout+jwt', ...header })
    this.secrets.push(token)
    return token
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url!, this.issuer)
    if (this.unreachable === true || this.unreachable === url.pathname)
      return void request.socket.destroy()
    const send = (status: number, body: Json) =>
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
    switch (url.pathname) {
      case '/.well-known/openid-configuration':
        return void send(200, this.#metadata())
      case '/jwks':
        return void send(200, {
          keys: [{ ...this.#key.publicKey.export({ format: 'jwk' }), kid: 'key', alg: 'ES256' }],
        })
      case '/authorize':
        return void response.writeHead(302, { location: this.#authorize(url.searchParams) }).end()
      case '/logout':
        this.signOuts.push(url.searchParams)
        return void response
          .writeHead(302, { location: url.searchParams.get('post_logout_redirect_uri')! })
          .end()
      case '/userinfo':
        await this.beforeUserinfo()
        return void send(200, { ...this.userinfo, sub: this.user.sub })
      default: {
        const token = this.#token(
          new URLSearchParams(await text(request)),
          request.headers.authorization,
        )
        return void send(token.error ? 400 : 200, token)
      }
    }
  }

  #metadata(): Json {
    return {
      issuer: this.issuer,
      authorization_endpoint: `${this.issuer}/authorize`,
      token_endpoint: `${this.issuer}/token`,
      userinfo_endpoint: `${this.issuer}/userinfo`,
      end_session_endpoint: `${this.issuer}/logout`,
      jwks_uri: `${this.issuer}/jwks`,
      response_types_supported: ['code'],
      subject_types_supported: ['public'],
      id_token_signing_alg_values_supported: ['ES256'],
      token_endpoint_auth_methods_supported: this.authMethods,
      authorization_response_iss_parameter_supported: true,
    }
  }

  #authorize(asked: URLSearchParams): string {
    const code = randomUUID()
    this.#codes.set(code, asked)
    this.secrets.push(code, asked.get('state')!, asked.get('nonce')!)
    const answer: Record<string, string> = this.errorCode ? { error: this.errorCode } : { code }
    const query = new URLSearchParams({ ...answer, state: asked.get('state')!, iss: this.issuer })
    return `${asked.get('redirect_uri')}?${query}`
  }

  #token(given: URLSearchParams, authorization: string | undefined): Json {
    const asked = this.#codes.get(given.get('code') ?? '')
    this.#codes.delete(given.get('code') ?? '') // good for once
    if (!this.#knows(given, authorization)) return { error: 'invalid_client' }
    const verifier = given.get('code_verifier') ?? ''
    const challenge = createHash('sha256').update(verifier).digest('base64url')
    const right =
      asked?.get('code_challenge_method') === 'S256' && asked.get('code_challenge') === challenge
    if (
      !asked ||
      asked.get('redirect_uri') !== given.get('redirect_uri') ||
      !(right || this.acceptsAnyVerifier)
    )
      return { error: 'invalid_grant' }
    const now = Math.floor(Date.now() / 1000)
    const claims = {
      iss: this.issuer,
      aud: client.clientId,
      iat: now,
      exp: now + 60,
      nonce: asked.get('nonce'),
      sid: this.sid,
    }
    const id_token = jwtOf(
      this.changeClaims({ ...claims, ...this.user }),
      (this.signsWithUnknownKey ? keys() : this.#key).privateKey,
    )
    const access_token = randomUUID()
    this.secrets.push(verifier, id_token, access_token)
    return { access_token, token_type: 'Bearer', id_token }
  }

  #knows(given: URLSearchParams, authorization = ''): boolean {
    if (this.authMethods.includes('none'))
      return given.get('client_id') === client.clientId && !given.has('client_secret')
    const [id, secret] = Buffer.from(authorization.replace(/^Basic /, ''), 'base64')
      .toString()
      .split(':')
    const basic = [id, secret].map((part = '') => decodeURIComponent(part.replaceAll('+', ' ')))
    const [clientId, clientSecret] = this.authMethods.includes('client_secret_basic')
      ? basic
      : [given.get('client_id'), given.get('client_secret')]
    return clientId === client.clientId && clientSecret === client.clientSecret
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }
}
