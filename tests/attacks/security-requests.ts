// Valid requests to the routes of passkeys and of the second step. They come from a page at
// localhost, because an IP address can have no passkeys.
import type { ErrorCode } from '@lockstep/protocol/error-codes'
import type { PasskeyOptions } from '@lockstep/protocol/passkeys'
import type { RouteName } from '@lockstep/protocol/route-paths'
import { totpCode, totpStep } from '../../realtime/auth/totp.ts'
import { Authenticator } from '../harness/authenticator.ts'
import { request, type Person, type RouteRequest } from '../harness/person.ts'

/** The node's address as a page sees it that can have passkeys. */
export const named = (url: string): string => url.replace('127.0.0.1', 'localhost')

const atPage = (of: Person): Person => of.at({ url: named(of.url) })

/** Adds a passkey to the person's account. */
export async function passkeyOf(of: Person, name = 'Phone') {
  const page = atPage(of)
  const authenticator = new Authenticator(page.url)
  const passkey = authenticator.create(await page.ask('beginPasskey'))
  return { authenticator, ...(await page.ask('addPasskey', { body: { name, passkey } })) }
}

/** Turns the second step on, by an app. */
export async function appOf(of: Person) {
  const { secret, ticket } = await atPage(of).ask('beginAuthenticatorApp')
  const key = fromBase32(secret)
  const code = totpCode(key, totpStep(Date.now()))
  const { recovery_codes } = await of.ask('turnOnSecondStep', { body: { ticket, code } })
  return { key, recovery_codes }
}

/** What the right password of somebody with a second step gets. */
export async function ticketOf({ url, user, password }: Person) {
  const credentials = { username: user.username, password }
  const { status, body } = await request<{
    code: string
    second_step?: { ticket: string; ways: string[] }
  }>(`${url}/auth/login`, 'POST', credentials)
  if (!body.second_step) throw new Error(`${status} ${JSON.stringify(body)}`)
  return body.second_step
}

export function fromBase32(text: string): Buffer {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'
  const bits = Array.from(text, (letter) =>
    alphabet.indexOf(letter).toString(2).padStart(5, '0'),
  ).join('')
  return Buffer.from((bits.match(/.{8}/g) ?? []).map((byte) => parseInt(byte, 2)))
}

type SecurityRoute = Extract<
  RouteName,
  | 'beginPasskeySignIn'
  | 'signInWithPasskey'
  | 'finishSignIn'
  | 'beginConfirmation'
  | 'getSecurity'
  | 'beginPasskey'
  | 'addPasskey'
  | 'renamePasskey'
  | 'removePasskey'
  | 'beginAuthenticatorApp'
  | 'turnOnSecondStep'
  | 'turnOffSecondStep'
  | 'makeRecoveryCodes'
>

export const securityRequests: {
  [Name in SecurityRoute]: (of: Person) => Promise<RouteRequest<Name>>
} = {
  beginPasskeySignIn: async () => ({ body: {} }),
  async signInWithPasskey(of) {
    const { authenticator } = await passkeyOf(of)
    const { body } = await request<PasskeyOptions>(
      `${named(of.url)}/auth/passkeys/options`,
      'POST',
      {},
    )
    return { body: { passkey: authenticator.prove(body) } }
  },
  async finishSignIn(of) {
    const { recovery_codes } = await appOf(of)
    return { body: { ticket: (await ticketOf(of)).ticket, code: recovery_codes[0]! } }
  },
  async beginConfirmation(of) {
    await passkeyOf(of)
    return {}
  },
  getSecurity: async () => ({}),
  beginPasskey: async () => ({}),
  async addPasskey(of) {
    const page = atPage(of)
    const passkey = new Authenticator(page.url).create(await page.ask('beginPasskey'))
    return { body: { name: 'Laptop', passkey } }
  },
  renamePasskey: async (of) => ({
    params: { id: (await passkeyOf(of)).id },
    body: { name: 'Old phone' },
  }),
  removePasskey: async (of) => ({ params: { id: (await passkeyOf(of)).id } }),
  beginAuthenticatorApp: async () => ({}),
  async turnOnSecondStep(of) {
    const { secret, ticket } = await atPage(of).ask('beginAuthenticatorApp')
    const code = totpCode(fromBase32(secret), totpStep(Date.now()))
    return { body: { ticket, code } }
  },
  async turnOffSecondStep(of) {
    await appOf(of)
    return {}
  },
  async makeRecoveryCodes(of) {
    await appOf(of)
    return {}
  },
}

/** What another user gets for the same requests. */
export const securityAnswers: Record<SecurityRoute, ErrorCode | 'own' | 'open'> = {
  beginPasskeySignIn: 'open',
  signInWithPasskey: 'open',
  finishSignIn: 'open',
  beginConfirmation: 'invalid',
  getSecurity: 'own',
  beginPasskey: 'own',
  addPasskey: 'invalid',
  renamePasskey: 'not_found',
  removePasskey: 'not_found',
  beginAuthenticatorApp: 'own',
  turnOnSecondStep: 'invalid',
  turnOffSecondStep: 'own',
  makeRecoveryCodes: 'invalid',
}
