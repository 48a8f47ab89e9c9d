// How a value is sealed: AES-256-GCM with the user's key. The place of the value (`SealedPlace`) is
// authenticated as well, so a sealed value opens nowhere else. An envelope is, in this order: its
// version (1 byte), the form of the value (1: a text in UTF-8, the BSON of `{v: value}`, or the
// BSON of several fields that are sealed together), the nonce (12), what is encrypted, the
// authentication tag (16). A digest is the version, the form and 32 bytes. The version alone stands
// in each field that is sealed together with another one. In the database all of them are binary
// data of the user-defined subtype.
import {
  createCipheriv,
  createDecipheriv,
  hash,
  hkdfSync,
  randomFillSync,
  type KeyObject,
} from 'node:crypto'
import { Binary, BSON, type Document } from 'mongodb'

const VERSION = 1
const TEXT = 1
const DOCUMENT = 2
const TOGETHER = 3
const DIGEST = 4
const NONCE_BYTES = 12
const TAG_BYTES = 16
const HEADER_BYTES = 2 + NONCE_BYTES
const options = { authTagLength: TAG_BYTES }

/** Where a value belongs. The id begins with the user's. */
export interface SealedPlace {
  collection: string
  id: string
  field: string
}

const aadOf = ({ collection, id, field }: SealedPlace, form: number): Buffer =>
  Buffer.from(`lockstep:${VERSION}:${form}:${collection}:${id}:${field}`)

/** Random bytes for many nonces, because each call costs more than the bytes that it gives. */
const pool = Buffer.alloc(256 * NONCE_BYTES)
let used = pool.length

function nextNonce(): Buffer {
  if (used === pool.length) {
    randomFillSync(pool)
    used = 0
  }
  used += NONCE_BYTES
  return pool.subarray(used - NONCE_BYTES, used)
}

/** A value as it is sealed: a text, or the BSON of anything else. */
export type Plain = string | Uint8Array

export const toPlain = (value: unknown): Plain =>
  typeof value === 'string' ? value : BSON.serialize({ v: value }, { ignoreUndefined: true })
export const fromPlain = (plain: Plain): unknown =>
  typeof plain === 'string' ? plain : BSON.deserialize(plain).v

export const seal = (key: KeyObject, place: SealedPlace, plain: Plain): Binary =>
  encrypt(key, place, plain, typeof plain === 'string' ? TEXT : DOCUMENT)

/** Several fields of a document, as they are sealed together in the place of one of them. */
export const togetherToPlain = (fields: Document): Uint8Array =>
  BSON.serialize(fields, { ignoreUndefined: true })
export const togetherFromPlain = (plain: Plain): Document =>
  typeof plain === 'string' ? {} : BSON.deserialize(plain)

export const sealTogether = (key: KeyObject, place: SealedPlace, plain: Uint8Array): Binary =>
  encrypt(key, place, plain, TOGETHER)

function encrypt(key: KeyObject, place: SealedPlace, plain: Plain, form: number): Binary {
  const nonce = nextNonce()
  const cipher = createCipheriv('aes-256-gcm', key, nonce, options).setAAD(aadOf(place, form))
  const sealed = typeof plain === 'string' ? cipher.update(plain, 'utf8') : cipher.update(plain)
  cipher.final()
  const parts = [Buffer.from([VERSION, form]), nonce, sealed, cipher.getAuthTag()]
  return ofBytes(Buffer.concat(parts))
}

const ofBytes = (bytes: Uint8Array): Binary => new Binary(bytes, Binary.SUBTYPE_USER_DEFINED)

/** Stands in each field that is sealed together with another one, in the other one's place. */
export const elsewhere = ofBytes(Buffer.from([VERSION]))

/**
 * Tells whether a text is the one that belongs to a place without telling it: a hash with the
 * user's key. All texts of a field have the same length.
 */
export function digestOf(
  key: KeyObject,
  { collection, id, field }: SealedPlace,
  text: string,
): Binary {
  const secret = secrets.get(key) ?? deriveSecret(key)
  const digest = hash('sha256', `${secret}:${collection}:${id}:${field}:${text}`, 'buffer')
  return ofBytes(Buffer.concat([Buffer.from([VERSION, DIGEST]), digest]))
}

/** A digest as a field of a document that is read. No text is like it. */
export const digestText = (digest: Binary): string => `digest:${digest.toString('hex')}`

/** Derived from the keys, which are used to encrypt and for nothing else. */
const secrets = new WeakMap<KeyObject, string>()
function deriveSecret(key: KeyObject): string {
  const derived = hkdfSync('sha256', key, '', 'lockstep digests', 32)
  const secret = Buffer.from(derived).toString('base64url')
  secrets.set(key, secret)
  return secret
}

export const isSealed = (value: unknown): value is Binary =>
  value instanceof Binary && value.sub_type === Binary.SUBTYPE_USER_DEFINED

/** How a sealed value is to be read. */
export function kindOf({
  buffer,
  position,
}: Binary): 'value' | 'together' | 'digest' | 'elsewhere' {
  if (position === 1) return 'elsewhere'
  return buffer[1] === TOGETHER ? 'together' : buffer[1] === DIGEST ? 'digest' : 'value'
}

/** Tells any two sealed values apart. */
export const tagOf = ({ buffer, position }: Binary): string =>
  Buffer.prototype.latin1Slice.call(buffer, Math.max(0, position - TAG_BYTES), position)

/** Throws if the value was sealed with another key or for another place, or was changed. */
export function open(key: KeyObject, place: SealedPlace, { buffer, position }: Binary): Plain {
  const bytes = buffer.subarray(0, position)
  const [version, form] = bytes
  if (version !== VERSION || (form !== TEXT && form !== DOCUMENT && form !== TOGETHER))
    throw new Error(`a value in ${place.collection} was sealed by a newer version`)
  const end = bytes.length - TAG_BYTES
  const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(2, HEADER_BYTES), options)
    .setAAD(aadOf(place, form))
    .setAuthTag(bytes.subarray(end))
  const opened = decipher.update(bytes.subarray(HEADER_BYTES, end))
  decipher.final()
  return form === TEXT ? opened.toString('utf8') : opened
}
