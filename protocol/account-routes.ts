// The routes under /auth and of the account itself: part of the table of rest.ts.
import * as z from 'zod'
import {
  Confirmation,
  Credentials,
  GivenPassword,
  ListedSession,
  Password,
  PasswordReset,
  Session,
  SignIn,
  SignInMethods,
  User,
  Username,
} from './account.ts'
import { at, id } from './route-parts.ts'
import { routePaths } from './route-paths.ts'
import { ReadOnly, Time } from './scalars.ts'
import { UsedToken } from './tokens.ts'

const signedIn = z.object({
  user: User.describe('The user who is signed in'),
  session: Session.describe('The session of this browser or program'),
})

export const accountRoutes = {
  register: {
    ...routePaths.register,
    summary:
      'Sign up; the answer sets the session cookie, or says that the operator has to approve it first (202)',
    open: true,
    body: Credentials,
    status: 201,
    answer: signedIn.or(
      z.object({ waiting: z.literal(true).describe('The operator has to approve the account') }),
    ),
  },
  login: {
    ...routePaths.login,
    summary: 'Sign in; the answer sets the session cookie',
    open: true,
    body: SignIn,
    status: 200,
    answer: signedIn,
  },
  getSignInMethods: {
    ...routePaths.getSignInMethods,
    summary: 'How to sign in here',
    open: true,
    status: 200,
    answer: SignInMethods,
  },
  logout: {
    ...routePaths.logout,
    summary: 'Revoke this session and close its sockets',
    access: 'session',
    status: 204,
  },
  logoutAtProvider: {
    ...routePaths.logoutAtProvider,
    summary: 'The same, and say where the browser ends its sign-in at the provider',
    access: 'session',
    status: 200,
    answer: z.object({
      location: z
        .string()
        .nullable()
        .describe('The provider’s address that ends the sign-in; null if there is none'),
    }),
  },
  confirm: {
    ...routePaths.confirm,
    summary:
      'Prove again who sits at this device: for 10 minutes this session may do what needs a recent sign-in',
    access: 'session',
    body: Confirmation,
    status: 200,
    answer: z.object({ until: Time.describe('When the proof is too old') }),
  },

  resetPassword: {
    ...routePaths.resetPassword,
    summary: 'Choose a new password with the operator’s link; all sessions end',
    open: true,
    body: PasswordReset,
    status: 204,
  },

  getMe: {
    ...routePaths.getMe,
    summary: 'Who is signed in, and the head of `account`',
    status: 200,
    answer: signedIn.extend({
      session: Session.nullable().describe('The session that asks; null for a token'),
      token: UsedToken.optional().describe('The token that asks'),
      ...at,
    }),
  },
  renameMe: {
    ...routePaths.renameMe,
    summary: 'Change the username; needs a sign-in or a `confirm` within the last 10 minutes',
    access: 'session',
    body: z.strictObject({
      username: Username,
      id: ReadOnly,
      created_at: ReadOnly,
      passwordless: ReadOnly,
    }),
    status: 200,
    answer: z.object({ user: User.describe('The user with the new name') }),
  },
  changePassword: {
    ...routePaths.changePassword,
    summary: 'Change the password; other sessions are revoked',
    access: 'session',
    body: z.strictObject({ current_password: GivenPassword, new_password: Password }),
    status: 204,
  },
  deleteMe: {
    ...routePaths.deleteMe,
    summary:
      'Delete the account and all its content; one without a password needs a sign-in or a `confirm` within the last 10 minutes',
    access: 'session',
    body: z.strictObject({
      password: GivenPassword.optional().describe('The present password, if the account has one'),
    }),
    status: 204,
  },
  listSessions: {
    ...routePaths.listSessions,
    summary: 'The signed-in devices',
    status: 200,
    answer: z.object({ items: z.array(ListedSession).describe('Newest first'), ...at }),
  },
  revokeSession: {
    ...routePaths.revokeSession,
    summary: 'Sign a device out, at once',
    access: 'session',
    params: id,
    status: 204,
  },
} as const
