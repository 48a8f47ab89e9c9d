// How an encrypted conversation's texts are made and opened, with WebCrypto alone: SPEC.md, section
// "Encrypted conversations". This code is loaded when a passphrase is first used. Keys can't be
// read out of the objects that hold them, and nothing here is stored.
import { ENCRYPTED_PREFIX, isEncryptedText } from '@lockstep/protocol/encrypted-text'
import type { Encryption } from '@lockstep/protocol/encryption'
import { Fault } from '@lockstep/protocol/errors'

/** OWASP's present count for PBKDF2-HMAC-SHA-256. */
const ITERATIONS = 600_000
const MAX_ITERATIONS = 10_000_000
const KEY_BYTES = 32
const NONCE_BYTES = 12
const TAG_BYTES = 16
const AES = 'AES-GCM'

export type TextField = 'title' | 'content' | 'parts' | 'metadata' | 'draft' | 'key'

/** Where a text belongs. It opens nowhere else. */
export interface TextPlace {
  owner: string
  conversation_id: string
  /** The id of the conversation, the message or the draft. */
  subject: string
  field: TextField
}

type Bytes = Uint8Array<ArrayBuffer>
/** `CryptoKey`, whose name only browsers' libraries have. */
type Key = Awaited<ReturnType<typeof crypto.subtle.importKey>>

/** The key that a passphrase gives, and what a device needs to derive it again. */
interface PassphraseKey {
  key: Key
  salt: string
  iterations: number
}

/** An unlocked conversation. */
export interface OpenedKey {
  key: Key
  passphrase: PassphraseKey
}

const toBytes = (text: string): Bytes => new TextEncoder().encode(text)

/** How many bytes become characters at once: each of them is an argument on the stack. */
const CHUNK = 8_192

function toBase64Url(bytes: Bytes): string {
  let binary = ''
  for (let at = 0; at < bytes.length; at += CHUNK)
    binary += String.fromCharCode(...bytes.subarray(at, at + CHUNK))
  return btoa(binary).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '')
}

/** Expects a text that was checked before: `atob` throws for anything but base64. */
const fromBase64Url = (text: string): Bytes =>
  Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (c) => c.charCodeAt(0))

const additionalData = ({ owner, conversation_id, subject, field }: TextPlace): Bytes =>
  toBytes(JSON.stringify(['lockstep', 1, owner, conversation_id, subject, field]))

async function encryptBytes(
  key: Key,
  place: TextPlace,
  plain: Bytes,
  nonce: Bytes = crypto.getRandomValues(new Uint8Array(NONCE_BYTES)),
): Promise<string> {
  const parameters = { name: AES, iv: nonce, additionalData: additionalData(place) }
  const encrypted = new Uint8Array(await crypto.subtle.encrypt(parameters, key, plain))
  const bytes = new Uint8Array(NONCE_BYTES + encrypted.length)
  bytes.set(nonce)
  bytes.set(encrypted, NONCE_BYTES)
  return ENCRYPTED_PREFIX + toBase64Url(bytes)
}

/** Undefined: the text was made with another key or for another place, or was changed or cut. */
async function decryptBytes(key: Key, place: TextPlace, text: string): Promise<Bytes | undefined> {
  if (!isEncryptedText(text)) return undefined
  const bytes = fromBase64Url(text.slice(ENCRYPTED_PREFIX.length))
  if (bytes.length < NONCE_BYTES + TAG_BYTES) return undefined
  const [iv, encrypted] = [bytes.subarray(0, NONCE_BYTES), bytes.subarray(NONCE_BYTES)]
  const parameters = { name: AES, iv, additionalData: additionalData(place) }
  try {
    return new Uint8Array(await crypto.subtle.decrypt(parameters, key, encrypted))
  } catch {
    return undefined
  }
}

const importKey = (bytes: Bytes): Promise<Key> =>
  crypto.subtle.importKey('raw', bytes, AES, false, ['encrypt', 'decrypt'])

async function derive(
  passphrase: string,
  { salt, iterations }: Pick<Encryption, 'salt' | 'iterations'>,
): Promise<PassphraseKey> {
  const typed = toBytes(passphrase.normalize('NFKC'))
  const material = await crypto.subtle.importKey('raw', typed, 'PBKDF2', false, ['deriveKey'])
  const parameters = {
    name: 'PBKDF2',
    hash: 'SHA-256',
    salt: fromBase64Url(salt),
    iterations,
  }
  const type = { name: AES, length: KEY_BYTES * 8 }
  const key = await crypto.subtle.deriveKey(parameters, material, type, false, [
    'encrypt',
    'decrypt',
  ])
  return { key, salt, iterations }
}

const keyPlace = (owner: string, conversation_id: string): TextPlace => ({
  ...{ owner, conversation_id, subject: conversation_id, field: 'key' },
})

async function encryptionWith(passphrase: PassphraseKey, owner: string, conversation_id: string) {
  const bytes = crypto.getRandomValues(new Uint8Array(KEY_BYTES))
  const wrapped = await encryptBytes(passphrase.key, keyPlace(owner, conversation_id), bytes)
  const key = await importKey(bytes)
  bytes.fill(0)
  const { salt, iterations } = passphrase
  const encryption: Encryption = {
    ...{ version: 1, owner, derivation: 'PBKDF2-SHA-256', iterations, salt, key: wrapped },
  }
  return { encryption, opened: { key, passphrase } satisfies OpenedKey }
}

/** A new key for a new conversation. */
export async function createEncryption(owner: string, conversation_id: string, passphrase: string) {
  const salt = toBase64Url(crypto.getRandomValues(new Uint8Array(16)))
  const derived = await derive(passphrase, { salt, iterations: ITERATIONS })
  return encryptionWith(derived, owner, conversation_id)
}

/** The same under the passphrase of a conversation that is unlocked. */
export const createEncryptionLike = (
  { passphrase }: OpenedKey,
  owner: string,
  conversation_id: string,
) => encryptionWith(passphrase, owner, conversation_id)

/**
 * The key of a conversation; undefined if the passphrase is wrong. Throws `invalid` for a form that
 * this version doesn't know, or one that would keep a device busy for too long.
 */
export async function openEncryption(
  encryption: Encryption,
  conversation_id: string,
  passphrase: string,
): Promise<OpenedKey | undefined> {
  const { version, derivation, iterations, owner }: Record<keyof Encryption, unknown> = encryption
  const isKnown = version === 1 && derivation === 'PBKDF2-SHA-256' && typeof owner === 'string'
  if (!isKnown || typeof iterations !== 'number' || iterations > MAX_ITERATIONS)
    throw new Fault('invalid', {
      detail: 'This conversation is encrypted in a way that this version doesn’t know: update it',
    })
  const derived = await derive(passphrase, encryption)
  const bytes = await decryptBytes(derived.key, keyPlace(owner, conversation_id), encryption.key)
  if (bytes?.length !== KEY_BYTES) return undefined
  const key = await importKey(bytes)
  bytes.fill(0)
  return { key, passphrase: derived }
}

/** @param nonce only for test vectors: each text has a random one */
export const encryptText = (
  { key }: OpenedKey,
  place: TextPlace,
  text: string,
  nonce?: Uint8Array<ArrayBuffer>,
): Promise<string> => encryptBytes(key, place, toBytes(text), nonce)

/** Undefined: it isn't a text that was made with this key for this place. */
export async function decryptText(
  { key }: OpenedKey,
  place: TextPlace,
  text: string,
): Promise<string | undefined> {
  const bytes = await decryptBytes(key, place, text)
  return bytes && new TextDecoder('utf-8').decode(bytes)
}
