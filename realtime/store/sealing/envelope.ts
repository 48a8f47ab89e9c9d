// How a value is sealed: AES-256-GCM with the user's key. The place of the value is authenticated as
// well, so a sealed value opens nowhere else. An envelope is, in this order: its version (1 byte),
// the nonce (12), the encrypted BSON of `{v: value}`, the authentication tag (16). In the database it
// is binary data of the user-defined subtype.
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { Binary, BSON } from 'mongodb'

const VERSION = 1
const NONCE_BYTES = 12
const TAG_BYTES = 16
const options = { authTagLength: TAG_BYTES }

/** Where a value belongs. The id begins with the user's. */
export interface SealedPlace {
  collection: string
  id: string
  field: string
}

const bytesOf = ({ collection, id, field }: SealedPlace): Buffer =>
  Buffer.from(`lockstep:${VERSION}:${collection}:${id}:${field}`)

export function seal(key: Buffer, place: SealedPlace, value: unknown): Binary {
  const nonce = randomBytes(NONCE_BYTES)
  const cipher = createCipheriv('aes-256-gcm', key, nonce, options).setAAD(bytesOf(place))
  const sealed = cipher.update(BSON.serialize({ v: value }, { ignoreUndefined: true }))
  const parts = [Buffer.from([VERSION]), nonce, sealed, cipher.final(), cipher.getAuthTag()]
  return new Binary(Buffer.concat(parts), Binary.SUBTYPE_USER_DEFINED)
}

export const isSealed = (value: unknown): value is Binary =>
  value instanceof Binary && value.sub_type === Binary.SUBTYPE_USER_DEFINED

/** Throws if it was sealed with another key, for another place, or changed. */
export function open(key: Buffer, place: SealedPlace, { buffer, position }: Binary): unknown {
  const bytes = buffer.subarray(0, position)
  if (bytes[0] !== VERSION)
    throw new Error(`a value in ${place.collection} was sealed by a newer version`)
  const [from, to] = [1 + NONCE_BYTES, bytes.length - TAG_BYTES]
  const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(1, from), options)
    .setAAD(bytesOf(place))
    .setAuthTag(bytes.subarray(to))
  const opened = Buffer.concat([decipher.update(bytes.subarray(from, to)), decipher.final()])
  return BSON.deserialize(opened).v
}
