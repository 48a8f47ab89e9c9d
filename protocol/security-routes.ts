// The routes of passkeys and of the second step: part of the table of rest.ts.
import * as z from 'zod'
import { Session, User } from './account.ts'
import {
  NewPasskey,
  Passkey,
  PasskeyName,
  PasskeyOptions,
  PasskeyProof,
  RecoveryCodes,
  SecondStep,
  SecondStepCode,
} from './passkeys.ts'
import { at, id } from './route-parts.ts'
import { routePaths } from './route-paths.ts'

const signedIn = z.object({
  user: User.describe('The user who is signed in'),
  session: Session.describe('The session of this browser or program'),
})
const ticket = z.string().max(2_000).describe('Of `second_step_required`')
const secondStep = SecondStep.describe('The second step now')

export const securityRoutes = {
  beginPasskeySignIn: {
    ...routePaths.beginPasskeySignIn,
    summary: 'What a browser needs to sign in with a passkey, or to do the second step with one',
    open: true,
    body: z.strictObject({ ticket: ticket.optional() }),
    status: 200,
    answer: PasskeyOptions,
  },
  signInWithPasskey: {
    ...routePaths.signInWithPasskey,
    summary: 'Sign in with a passkey; the answer sets the session cookie',
    open: true,
    body: z.strictObject({ passkey: PasskeyProof.describe('The browser’s answer') }),
    status: 200,
    answer: signedIn,
  },
  finishSignIn: {
    ...routePaths.finishSignIn,
    summary: 'The second step after the password; the answer sets the session cookie',
    open: true,
    body: z
      .strictObject({
        ticket,
        code: SecondStepCode.optional(),
        passkey: PasskeyProof.optional().describe('The browser’s answer'),
      })
      .refine(({ code, passkey }) => (code === undefined) !== (passkey === undefined), {
        path: ['code'],
        message: 'must be given, or passkey, but not both',
      }),
    status: 200,
    answer: signedIn,
  },
  beginConfirmation: {
    ...routePaths.beginConfirmation,
    access: 'session',
    summary: 'What a browser needs for `confirm` with a passkey',
    status: 200,
    answer: PasskeyOptions,
  },
  getSecurity: {
    ...routePaths.getSecurity,
    access: 'session',
    summary: 'The passkeys and the second step',
    status: 200,
    answer: z.object({
      passkeys: z.array(Passkey).describe('Oldest first'),
      second_step: secondStep,
      ...at,
    }),
  },
  beginPasskey: {
    ...routePaths.beginPasskey,
    access: 'session',
    summary: 'What a browser needs to make a passkey; needs a recent sign-in',
    status: 200,
    answer: PasskeyOptions,
  },
  addPasskey: {
    ...routePaths.addPasskey,
    access: 'session',
    summary: 'Add the passkey that the browser made; needs a recent sign-in',
    body: z.strictObject({
      name: PasskeyName,
      passkey: NewPasskey.describe('The browser’s answer'),
    }),
    status: 201,
    answer: Passkey,
  },
  renamePasskey: {
    ...routePaths.renamePasskey,
    access: 'session',
    summary: 'Rename a passkey',
    params: id,
    body: z.strictObject({ name: PasskeyName }),
    status: 200,
    answer: Passkey,
  },
  removePasskey: {
    ...routePaths.removePasskey,
    access: 'session',
    summary: 'Remove a passkey, unless it is the last way to sign in; needs a recent sign-in',
    params: id,
    status: 204,
  },
  beginAuthenticatorApp: {
    ...routePaths.beginAuthenticatorApp,
    access: 'session',
    summary: 'A secret for an authenticator app; needs a recent sign-in',
    status: 200,
    answer: z.object({
      secret: z.string().describe('In base32, to type in'),
      uri: z.string().describe('otpauth://…, for a QR code'),
      ticket: z.string().describe('For `turnOnSecondStep`, within ten minutes'),
    }),
  },
  turnOnSecondStep: {
    ...routePaths.turnOnSecondStep,
    access: 'session',
    summary:
      'Ask for a second step after the password: by an authenticator app, or by the passkeys alone; needs a recent sign-in',
    body: z
      .strictObject({
        ticket: ticket.optional().describe('Of `beginAuthenticatorApp`'),
        code: SecondStepCode.optional().describe('What the app shows, with `ticket`'),
      })
      .refine(({ ticket, code }) => (ticket === undefined) === (code === undefined), {
        path: ['code'],
        message: 'must be given together with ticket',
      }),
    status: 200,
    answer: z.object({ second_step: secondStep, recovery_codes: RecoveryCodes }),
  },
  turnOffSecondStep: {
    ...routePaths.turnOffSecondStep,
    access: 'session',
    summary: 'A password alone signs in again; needs a recent sign-in',
    status: 204,
  },
  makeRecoveryCodes: {
    ...routePaths.makeRecoveryCodes,
    access: 'session',
    summary: 'New recovery codes in place of the present ones; needs a recent sign-in',
    status: 200,
    answer: z.object({ second_step: secondStep, recovery_codes: RecoveryCodes }),
  },
} as const
