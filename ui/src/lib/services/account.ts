// REST calls about signing in and out. The engine's `account` topic shows the rest.
import type { SignInMethods } from '@lockstep/protocol/account'
import type { Call } from '@lockstep/client'

/**
 * Signs up or in; the browser keeps the response's cookie. Throws Fault: `username_taken`,
 * `invalid_credentials`, `rate_limited`.
 */
export const signIn = (
  call: Call,
  kind: 'register' | 'login',
  username: string,
  password: string,
) => call(kind, { body: { username, password } })

/** How users sign in on this server. A server that doesn't say accepts passwords. */
export const getSignInMethods = (call: Call): Promise<SignInMethods> =>
  call('getSignInMethods').catch(() => ({ password: true, passkeys: false, providers: [] }))

/**
 * Ends this session, and with it its sockets. Resolves to the address at which a provider ends its
 * sign-in too, if there is one.
 * @param isProviders the session began at a provider
 */
export async function signOut(call: Call, isProviders: boolean): Promise<string | undefined> {
  if (isProviders) return (await call('logoutAtProvider')).location ?? undefined
  await call('logout')
  return undefined
}
