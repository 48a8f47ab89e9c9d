// REST calls about signing out. The engine's `account` topic shows the rest.
import type { Call } from '@lockstep/client'

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
