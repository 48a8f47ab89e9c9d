// Signing out here and at the OpenID Connect provider. It is apart from the routes that a provider
// needs, because those load a library.
import type { Oidc } from '../auth/oidc.ts'
import type { AccountUseCases } from '../commands/account.ts'
import type { HostSignOut } from '../commands/host-sign-out.ts'
import type { Handlers } from './route-handler.ts'

export const oidcHandlers = (
  account: Pick<AccountUseCases, 'revoke'>,
  oidc: Pick<Oidc, 'signOutAddress'> | undefined,
  signOut: Pick<HostSignOut, 'signInOf'>,
) =>
  ({
    async logoutAtProvider(_input, { caller, identity, origin, response }) {
      const { session_id } = identity
      const signIn = await signOut.signInOf(session_id)
      if (!identity.offered) await account.revoke(caller, { session_id })
      response.signOut()
      const location = signIn && (await oidc?.signOutAddress(origin, signIn))
      return { location: location ?? null }
    },
  }) satisfies Handlers
