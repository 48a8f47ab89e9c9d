// Texts that a client has encrypted, as everybody else sees them: the server only checks their
// form. encryption.ts says how a conversation is marked, SPEC.md how a text is made. No zod here:
// pages look at texts too.
import { Fault } from './errors.ts'
import * as limits from './limit-values.ts'
import { hasAtMostBytes } from './text.ts'

/** What every encrypted text begins with; another form gets another name. */
export const ENCRYPTED_PREFIX = 'enc1.'

/** The only key in the metadata of an encrypted conversation and of its messages. */
export const ENCRYPTED_METADATA = 'encrypted'

/** A nonce (12 bytes) and a tag (16 bytes), in base64url. */
const SHORTEST = 38

/**
 * Whether a text has the form of an encrypted one: base64url of a nonce, a ciphertext and a tag.
 */
export function isEncryptedText(text: unknown): text is string {
  if (typeof text !== 'string' || !text.startsWith(ENCRYPTED_PREFIX)) return false
  const length = text.length - ENCRYPTED_PREFIX.length
  return (
    length >= SHORTEST && length % 4 !== 1 && /^[\w-]+$/.test(text.slice(ENCRYPTED_PREFIX.length))
  )
}

/**
 * Whether a message or a draft may have the text. An encrypted text may be longer than a plain one.
 */
export const fitsMessage = (text: string): boolean =>
  hasAtMostBytes(text, limits.messageBytes) ||
  (text.length <= limits.encryptedMessageBytes && isEncryptedText(text))

/** Why the server does nothing that needs the text of an encrypted conversation. */
export const unreadable = (what: string): Fault =>
  new Fault('invalid', {
    detail: `This conversation is encrypted with a passphrase that the server doesn’t have: ${what}`,
    reason: 'encrypted',
  })

/** Why a text isn't accepted: it would be readable in a conversation that promises otherwise. */
export function mustBeEncrypted(path: string): Fault {
  const message = 'must be encrypted, as this conversation is'
  return new Fault('invalid', {
    detail: `This conversation is encrypted with a passphrase: a client that can’t encrypt can’t write in it (${path} ${message})`,
    issues: [{ path, message }],
    reason: 'encrypted',
  })
}
