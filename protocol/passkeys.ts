// Ways to sign in besides the password: passkeys (WebAuthn), and the second step after a password.
import * as z from 'zod'
import * as limits from './limit-values.ts'
import { ReadOnly, shortText, Text, Time, Uuid } from './scalars.ts'

/** Bytes as WebAuthn's JSON has them. */
const Base64Url = z.string().regex(/^[\w-]*$/, 'must be base64url')
const bytes = (most: number, what: string) => Base64Url.min(1).max(most).describe(what)

/** What a browser needs for a passkey: options of WebAuthn in their JSON form. */
export const PasskeyOptions = z
  .looseObject({
    challenge: Base64Url.describe('Good for one use within five minutes, at this server’s nodes'),
  })
  .meta({ id: 'PasskeyOptions' })
export type PasskeyOptions = z.infer<typeof PasskeyOptions>

/** The fields of WebAuthn's `toJSON()` besides the response. The server needs only `id`. */
const credential = {
  id: bytes(1_400, 'The credential’s id'),
  rawId: ReadOnly,
  type: ReadOnly,
  authenticatorAttachment: ReadOnly,
  clientExtensionResults: ReadOnly,
}
const clientDataJSON = bytes(4_000, 'What the browser signed, with the challenge and the origin')

/** A new passkey, as WebAuthn's `toJSON()` gives it. */
export const NewPasskey = z
  .strictObject({
    ...credential,
    response: z
      .strictObject({
        clientDataJSON,
        attestationObject: bytes(12_000, 'The new public key'),
        transports: z
          .array(z.string().regex(/^[\w-]{1,20}$/, 'must be a transport'))
          .max(10)
          .optional()
          .describe('How the authenticator can be reached'),
        authenticatorData: ReadOnly,
        publicKey: ReadOnly,
        publicKeyAlgorithm: ReadOnly,
      })
      .describe('What the authenticator made'),
  })
  .meta({ id: 'NewPasskey' })
export type NewPasskey = z.infer<typeof NewPasskey>

/** A proof by a passkey, as WebAuthn's `toJSON()` gives it. */
export const PasskeyProof = z
  .strictObject({
    ...credential,
    response: z
      .strictObject({
        clientDataJSON,
        authenticatorData: bytes(4_000, 'What the authenticator says of itself'),
        signature: bytes(4_000, 'The signature over both'),
        userHandle: Base64Url.max(200).nullish().describe('Whose passkey it is'),
      })
      .describe('What the authenticator signed'),
  })
  .meta({ id: 'PasskeyProof' })
export type PasskeyProof = z.infer<typeof PasskeyProof>

export const PasskeyName = shortText(limits.passkeyNameMax)
  .refine((name) => name.trim() !== '', 'must not be blank')
  .describe('What the user calls the passkey')

export const Passkey = z
  .object({
    id: Uuid.describe('The passkey’s id'),
    name: z.string().describe('What the user calls it'),
    host: z.string().describe('The host name at which it signs in'),
    synced: z.boolean().describe('Whether it may exist on several devices of its user'),
    created_at: Time.describe('When it was added'),
    last_used_at: Time.nullable().describe('When it last proved anything; null if never'),
  })
  .meta({ id: 'Passkey' })
export type Passkey = z.infer<typeof Passkey>

/** The code of an authenticator app, or a recovery code. Spaces and dashes don't count. */
export const SecondStepCode = Text.max(100).describe(
  'The code that the authenticator app shows, or a recovery code',
)

/** How users can finish a sign-in that needs a second step. */
const SecondStepWays = z.array(z.enum(['code', 'passkey', 'recovery_code']))

/** What `second_step_required` says. */
export const SecondStepDemand = z
  .object({
    ticket: z.string().describe('Shows for five minutes that the password was right'),
    ways: SecondStepWays.describe('What may follow'),
  })
  .meta({ id: 'SecondStepDemand' })
export type SecondStepDemand = z.infer<typeof SecondStepDemand>

/** `app`: an authenticator app is set up. Passkeys of the user count as a second step too. */
export const SecondStep = z
  .object({
    on: z.boolean().describe('Whether a password alone doesn’t sign in'),
    app: z.boolean().describe('Whether an authenticator app is set up'),
    recovery_codes: z.int().describe('How many recovery codes are left'),
  })
  .meta({ id: 'SecondStep' })
export type SecondStep = z.infer<typeof SecondStep>

/** Shown once: the server keeps hashes. */
export const RecoveryCodes = z.array(z.string()).describe('Each is good for one sign-in')

/** What changed in how a user signs in. */
export const SecurityChange = z.enum([
  'passkey_added',
  'passkey_renamed',
  'passkey_removed',
  'second_step_on',
  'second_step_off',
  'recovery_codes_made',
  'recovery_code_used',
  'provider_linked',
  'provider_unlinked',
  'account_locked',
  'account_unlocked',
  'devices_signed_out',
])
export type SecurityChange = z.infer<typeof SecurityChange>
