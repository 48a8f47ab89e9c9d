// Handlers of the routes of tokens.
import type { TokenUseCases } from '../commands/tokens.ts'
import type { Handlers } from './route-handler.ts'

export const tokenHandlers = (tokens: TokenUseCases) =>
  ({
    listTokens: (_input, { caller }) => tokens.list(caller.user_id),
    createToken: ({ body }, { caller }) => tokens.create(caller, body),
    async deleteToken({ params }, { caller }) {
      await tokens.revoke(caller, params.id)
      return undefined
    },
    createUserToken: ({ body }, visitor) => tokens.createForHost(visitor, body),
  }) satisfies Handlers
