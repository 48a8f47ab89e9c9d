// How a value is sealed: AES-256-GCM with the user's key. The place of the value (`SealedPlace`) is
// authenticated as well, so a sealed value opens nowhere else. An envelope is, in this order: its
// version (1 byte), the form of the value (1: a text in UTF-8, or the BSON of `{v: value}`), the
// nonce (12), what is encrypted, the authentication tag (16). In the database it is binary data of
// the user-defined subtype.
import { createCipheriv, createDecipheriv, randomFillSync, type KeyObject } from 'node:crypto'
import { Binary, BSON } from 'mongodb'

const VERSION = 1
const TEXT = 1
const DOCUMENT = 2
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

export function seal(key: KeyObject, place: SealedPlace, plain: Plain): Binary {
  const form = typeof plain === 'string' ? TEXT : DOCUMENT
  const nonce = nextNonce()
  const cipher = createCipheriv('aes-256-gcm', key, nonce, options).setAAD(aadOf(place, form))
  const sealed = typeof plain === 'string' ? cipher.update(plain, 'utf8') : cipher.update(plain)
  cipher.final()
  const parts = [Buffer.from([VERSION, form]), nonce, sealed, cipher.getAuthTag()]
  return new Binary(Buffer.concat(parts), Binary.SUBTYPE_USER_DEFINED)
}

export const isSealed = (value: unknown): value is Binary =>
  value instanceof Binary && value.sub_type === Binary.SUBTYPE_USER_DEFINED

/** Tells any two sealed values apart. */
export const tagOf = ({ buffer, position }: Binary): string =>
  Buffer.prototype.latin1Slice.call(buffer, Math.max(0, position - TAG_BYTES), position)

/** Throws if the value was sealed with another key or for another place, or was changed. */
export function open(key: KeyObject, place: SealedPlace, { buffer, position }: Binary): Plain {
  const bytes = buffer.subarray(0, position)
  const [version, form] = bytes
  if (version !== VERSION || (form !== TEXT && form !== DOCUMENT))
    throw new Error(`a value in ${place.collection} was sealed by a newer version`)
  const end = bytes.length - TAG_BYTES
  const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(2, HEADER_BYTES), options)
    .setAAD(aadOf(place, form))
    .setAuthTag(bytes.subarray(end))
  const opened = decipher.update(bytes.subarray(HEADER_BYTES, end))
  decipher.final()
  return form === TEXT ? opened.toString('utf8') : opened
}
