// The REST calls of the pages for somebody who isn't signed in. No other page loads this file.
import type { SignInMethods } from '@lockstep/protocol/account'
import { Fault } from '@lockstep/protocol/errors'
import type { Problem } from '@lockstep/protocol/problem'
import { engine } from '../stores/engine.ts'

interface GivenCredentials {
  username: string
  password: string
  invitation?: string
}

/**
 * Signs up or in. `waiting`: the operator has to approve the new account first. Throws Fault:
 * `username_taken`, `invalid_credentials`, `rate_limited`, `invalid` at `invitation`.
 */
export async function signIn(
  kind: 'login' | 'register',
  credentials: GivenCredentials,
): Promise<'waiting' | 'signed-in'> {
  const answer = await engine.call(kind, { body: credentials })
  if ('waiting' in answer) return 'waiting'
  await engine.start()
  return 'signed-in'
}

/** How users sign in on this server. A server that doesn't say accepts passwords. */
export const getSignInMethods = (): Promise<SignInMethods> =>
  engine
    .call('getSignInMethods')
    .catch(() => ({ password: true, passkeys: false, providers: [], sign_up: 'open' }))

/** The server’s reason for refusing the user whom a proxy signs in; undefined without a reason. */
export async function findRefusal(): Promise<Problem['reason']> {
  const fault = await engine.call('getMe').catch((error: unknown) => error)
  return fault instanceof Fault ? fault.extra.reason : undefined
}
