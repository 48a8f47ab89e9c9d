// REST calls about who is signed in.
import type { SignInMethods } from '@lockstep/protocol/account'
import type { Call } from '../call.ts'

/** Who is signed in, and the head of the topic. Throws `unauthenticated`. */
export const getMe = (call: Call) => call('getMe')

/** The signed-in devices. */
export const listSessions = (call: Call) => call('listSessions')

/** Signs up or in; the answer's cookie is the browser's. Faults: `username_taken`, `invalid_credentials`, `rate_limited`. */
export const enter = (call: Call, kind: 'register' | 'login', username: string, password: string) =>
  call(kind, { body: { username, password } })

/** How to sign in here. A server that doesn't say takes passwords. */
export const getSignInMethods = (call: Call): Promise<SignInMethods> =>
  call('getSignInMethods').catch(() => ({ password: true, providers: [] }))

/** Ends this session, and with it its sockets. */
export const logout = (call: Call) => call('logout')
