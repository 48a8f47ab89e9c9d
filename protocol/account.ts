// Topic `account`: who the user is and which sessions are signed in. Its entries only tell the
// devices. Accounts and sessions themselves are plain documents, which are authoritative at once.
import * as z from 'zod'
import * as limits from './limit-values.ts'
import { PasskeyProof, SecondStepCode, SecurityChange } from './passkeys.ts'
import { shortText, Text, Time, Uuid } from './scalars.ts'
import { hasAtMost } from './text.ts'
import { unloggedTraceCommands } from './traces.ts'

/** Converted to lower case. */
export const Username = z
  .string()
  .max(limits.usernameMax, { abort: true })
  .toLowerCase()
  .regex(/^[a-z0-9._-]*$/, 'may only use a-z, 0-9, ".", "_" and "-"')
  .min(limits.usernameMin)
  .describe('The name to sign in with; unique, compared in lower case')
export const Password = shortText(limits.passwordMax)
  .refine(
    (value) => !hasAtMost(value, limits.passwordMin - 1),
    `must have at least ${limits.passwordMin} characters`,
  )
  .describe('The new password, as text')

/** `passwordless`: the user has no password here and signs in through the host app. */
export const User = z
  .object({
    id: Uuid.describe('The user’s id'),
    username: z.string().describe('The name to sign in with, in lower case'),
    created_at: Time.describe('When the account was made'),
    passwordless: z
      .literal(true)
      .optional()
      .describe('Present if the user has no password here and signs in through the host app'),
  })
  .meta({ id: 'User' })
export type User = z.infer<typeof User>

/** A signed-in browser or program. `device` is a readable name made from its User-Agent. */
export const Session = z
  .object({
    id: Uuid.describe('The session’s id'),
    device: z.string().describe('A readable name of the browser or program'),
    created_at: Time.describe('When the user signed in'),
    address: z.string().optional().describe('The network address from which the user signed in'),
    provider: z
      .literal(true)
      .optional()
      .describe('Present if the user signed in at a provider, where signing out goes on'),
  })
  .meta({ id: 'Session' })
export type Session = z.infer<typeof Session>

/** A session in the list. `current`: it is the session that asks. `online`: it has a socket now. */
export const ListedSession = Session.extend({
  last_seen_at: Time.describe('When the session last sent a request'),
  current: z.boolean().describe('Whether this is the session that asks'),
  online: z.boolean().describe('Whether the session has an open socket'),
}).meta({
  id: 'ListedSession',
})
export type ListedSession = z.infer<typeof ListedSession>

/**
 * `data` of each `op`. The entity of the first two ops is the session, that of the others the user.
 */
export const accountChanges = {
  session_created: z.object({
    session: Session.describe('The new session'),
    replaces: Uuid.optional().describe(
      'The session of the same browser that it takes the place of',
    ),
  }),
  session_revoked: z.object({
    session_id: Uuid.describe('The session that has ended'),
    replaced_by: Uuid.optional().describe('The session that its browser has in its place'),
  }),
  renamed: z.object({ username: z.string().describe('The new name') }),
  password_changed: z.object({}),
  security_changed: z.object({ what: SecurityChange.describe('What changed') }),
  /** The account is deleted. No entry follows. */
  closed: z.object({}),
}

export const accountCommands = {
  revoke: z.strictObject({ session_id: Uuid.describe('The session to sign out') }),
}
export type AccountCommands = {
  [Name in keyof typeof accountCommands]: z.infer<(typeof accountCommands)[Name]>
}

/** Commands that only inform the other devices for the moment. The log doesn't record them. */
export const unloggedAccountCommands = {
  viewing: z.strictObject({
    conversation_id: Uuid.nullable().describe(
      'The conversation that this device shows; null if it shows none',
    ),
  }),
  ...unloggedTraceCommands,
}
export type Viewing = z.infer<(typeof unloggedAccountCommands)['viewing']>

/** Who may sign up: anybody, people with an invitation, people the operator approves, or nobody. */
export const SignUp = z.enum(['open', 'invite', 'approval', 'closed'])
export type SignUp = z.infer<typeof SignUp>

/**
 * How users sign in: by password, or at the pages that `providers` link to. If both are off, the
 * proxy in front of this server signs them in.
 */
export const SignInMethods = z
  .object({
    password: z.boolean().describe('Whether usernames and passwords sign in here'),
    passkeys: z.boolean().describe('Whether passkeys sign in here'),
    providers: z
      .array(
        z.object({
          name: z.string().describe('What the button says'),
          href: z.string().describe('The page that starts the sign-in'),
        }),
      )
      .describe('Other sign-in services'),
    sign_up: SignUp.describe(
      'Who may sign up: anybody, people with an invitation, people whom the operator approves, nobody',
    ),
  })
  .meta({ id: 'SignInMethods' })
export type SignInMethods = z.infer<typeof SignInMethods>

/** A password that is only compared with the stored one. It needs no particular form. */
export const GivenPassword = Text.max(10_000).describe('The present password')

/**
 * The bodies of sign-up and sign-in. Sign-in takes any text, so that its answer doesn't tell a
 * malformed username from an unknown one.
 */
export const Credentials = z
  .strictObject({
    username: Username,
    password: Password,
    invitation: Text.max(200).optional().describe('What the operator’s invitation has after its #'),
  })
  .meta({ id: 'Credentials' })
export const PasswordReset = z
  .strictObject({
    token: Text.max(200).describe('What the operator’s link has after its #'),
    password: Password,
  })
  .meta({ id: 'PasswordReset' })
export const SignIn = z
  .strictObject({
    username: Text.max(1000).toLowerCase().describe('The name to sign in with'),
    password: GivenPassword,
  })
  .meta({ id: 'SignIn' })

/** What proves again who sits at a signed-in device. */
export const Confirmation = z
  .strictObject({
    password: GivenPassword.optional(),
    code: SecondStepCode.optional(),
    passkey: PasskeyProof.optional().describe('The browser’s answer to `beginConfirmation`'),
  })
  .refine(
    ({ password, code, passkey }) =>
      [password, code, passkey].filter((proof) => proof !== undefined).length === 1,
    { path: ['password'], message: 'must be given, or code, or passkey, but only one of them' },
  )
  .meta({ id: 'Confirmation' })
export type Confirmation = z.infer<typeof Confirmation>
