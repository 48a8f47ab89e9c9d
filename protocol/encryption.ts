// How a conversation says that its clients hold its key, and so what a client needs beside the
// passphrase. It is chosen when the conversation is made, and stays as it is.
import * as z from 'zod'
import { isEncryptedText } from './encrypted-text.ts'
import { Uuid } from './scalars.ts'

/** The minimum is what OWASP recommends for PBKDF2-HMAC-SHA-256 (since 2023). */
const Iterations = z.int().min(600_000).max(10_000_000)

export const Encryption = z
  .strictObject({
    version: z.literal(1).describe('The form of the texts; a client leaves unknown ones locked'),
    owner: Uuid.describe('The user for whom the key was made, also after an import elsewhere'),
    derivation: z
      .literal('PBKDF2-SHA-256')
      .describe('How the passphrase becomes the key that `key` is encrypted with'),
    iterations: Iterations.describe('How often the derivation repeats'),
    salt: z
      .string()
      .regex(/^[\w-]{22}$/, 'must be 16 bytes in base64url')
      .describe('16 random bytes, in base64url'),
    key: z
      .string()
      .refine((key) => key.length <= 90 && isEncryptedText(key), 'must be an encrypted key')
      .describe('The conversation’s random key, encrypted; a wrong passphrase doesn’t open it'),
  })
  .meta({ id: 'Encryption' })
export type Encryption = z.infer<typeof Encryption>
