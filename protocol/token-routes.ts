// The routes of tokens: part of the table of rest.ts.
import * as z from 'zod'
import { id } from './route-parts.ts'
import { routePaths } from './route-paths.ts'
import { NewToken, NewUserToken, Token, TokenCreate, UserTokenCreate } from './tokens.ts'

export const tokenRoutes = {
  listTokens: {
    ...routePaths.listTokens,
    summary: 'The user’s own tokens',
    status: 200,
    answer: z.object({ items: z.array(Token).describe('Newest first') }),
  },
  createToken: {
    ...routePaths.createToken,
    summary: 'Make a token for a program; only this answer shows it; needs a recent sign-in',
    access: 'session',
    body: TokenCreate,
    status: 201,
    answer: NewToken,
  },
  deleteToken: {
    ...routePaths.deleteToken,
    summary: 'Revoke a token, at once',
    access: 'session',
    params: id,
    status: 204,
  },
  createUserToken: {
    ...routePaths.createUserToken,
    summary: 'With a service key: make a short-lived token for a user of the host',
    access: 'service',
    body: UserTokenCreate,
    status: 201,
    answer: NewUserToken,
  },
} as const
