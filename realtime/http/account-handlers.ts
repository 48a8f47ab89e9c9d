// Routes under /auth and /users/me.
import type { SignInMethods } from '@lockstep/protocol/account'
import type { Account } from '../commands/account.ts'
import type { PreferencesUseCases } from '../commands/preferences.ts'
import type { Handlers } from './handler.ts'

/** Signing up and in by password. */
export const passwordHandlers = (account: Account) =>
  ({
    async register({ body }, visit) {
      const signedIn = await account.register(visit, body)
      await visit.answer.signIn(signedIn.session.id)
      return signedIn
    },
    async login({ body }, visit) {
      const signedIn = await account.login(visit, body)
      await visit.answer.signIn(signedIn.session.id)
      return signedIn
    },
  }) satisfies Handlers

export const accountHandlers = (account: Account, methods: SignInMethods) =>
  ({
    getSignInMethods: () => Promise.resolve(methods),
    async logout(_asked, { request, identity, answer }) {
      await account.revoke(request, { session_id: identity.session_id })
      answer.signOut()
      return undefined
    },
    getMe: (_asked, { request }) => account.me(request),
    renameMe: async ({ body }, { request }) => ({
      user: await account.rename(request, body.username),
    }),
    async changePassword({ body }, { request, address }) {
      await account.changePassword(request, address, {
        current: body.current_password,
        next: body.new_password,
      })
      return undefined
    },
    async deleteMe({ body }, { request, address, answer }) {
      await account.remove(request, address, body.password)
      answer.signOut()
      return undefined
    },
    listSessions: (_asked, { request }) => account.listSessions(request),
    async revokeSession({ params }, { request, identity, answer }) {
      await account.revoke(request, { session_id: params.id })
      if (params.id === identity.session_id) answer.signOut()
      return undefined
    },
  }) satisfies Handlers

export const preferencesHandlers = (preferences: PreferencesUseCases) =>
  ({
    getPreferences: (_asked, { request }) => preferences.get(request.user_id),
    async putPreferences({ body }, { request, if_version }) {
      await preferences.update(request, { patch: body, if_version })
      return preferences.get(request.user_id)
    },
  }) satisfies Handlers
