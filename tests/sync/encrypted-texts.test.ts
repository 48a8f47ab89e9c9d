// The stored form of encrypted texts, as SPEC.md defines it: checked against Node's own
// cryptography, which shares no code with the client, and against fixed vectors.
import { createCipheriv, createDecipheriv, pbkdf2Sync } from 'node:crypto'
import * as fc from 'fast-check'
import { beforeAll, describe, expect, test } from 'vitest'
import { fitsMessage, isEncryptedText } from '@lockstep/protocol/encrypted-text'
import { Encryption } from '@lockstep/protocol/encryption'
import { limits } from '@lockstep/protocol/limits'
import {
  createEncryption,
  createEncryptionLike,
  decryptText,
  encryptText,
  openEncryption,
  type OpenedKey,
  type TextPlace,
} from '../../clients/typescript/src/encryption/passphrase-crypto.ts'

const owner = '01900000-0000-7000-8000-000000000001'
const conversation_id = '01900000-0000-7000-8000-000000000002'
const subject = '01900000-0000-7000-8000-000000000003'
const place: TextPlace = { owner, conversation_id, subject, field: 'content' }
const passphrase = 'correct horse battery stäple'
const fixed: Encryption = {
  version: 1,
  owner,
  derivation: 'PBKDF2-SHA-256',
  iterations: 600_000,
  salt: 'AAECAwQFBgcICQoLDA0ODw',
  key: 'enc1.AQIDBAUGBwgJCgsMUlUul3sCzI42JLcnhG34LX0w3IxbmU21I-Aervoj8W8IXS9aYGG8GbfmgkMGao6c',
}
const dataOf = ({ field, ...ids }: TextPlace) =>
  Buffer.from(JSON.stringify(['lockstep', 1, ids.owner, ids.conversation_id, ids.subject, field]))
const K = Buffer.from(Array.from({ length: 32 }, (_, at) => at))
const nonce = (first: number) => Buffer.from(Array.from({ length: 12 }, (_, at) => first + at))

/** What SPEC.md says, by other means. */
function reference(key: Buffer, where: TextPlace, text: Buffer, iv: Buffer): string {
  const cipher = createCipheriv('aes-256-gcm', key, iv).setAAD(dataOf(where))
  const bytes = Buffer.concat([iv, cipher.update(text), cipher.final(), cipher.getAuthTag()])
  return `enc1.${bytes.toString('base64url')}`
}
function referenceOpen(key: Buffer, where: TextPlace, text: string): Buffer {
  const bytes = Buffer.from(text.slice(5), 'base64url')
  const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, 12))
  decipher.setAAD(dataOf(where)).setAuthTag(bytes.subarray(-16))
  return Buffer.concat([decipher.update(bytes.subarray(12, -16)), decipher.final()])
}
const derived = () =>
  pbkdf2Sync(passphrase, Buffer.from(fixed.salt, 'base64url'), fixed.iterations, 32, 'sha256')
const keyPlace: TextPlace = { ...place, subject: conversation_id, field: 'key' }

let opened: OpenedKey
beforeAll(async () => {
  opened = (await openEncryption(fixed, conversation_id, passphrase))!
})

describe('the vectors', () => {
  test('are what the specification says, made by other means', () => {
    expect(fixed.key).toBe(reference(derived(), keyPlace, K, nonce(1)))
    expect(Encryption.parse(fixed)).toEqual(fixed)
  })

  test('are what the client makes and opens', async () => {
    const text = 'Grüße 👋'
    const vector = 'enc1.ZWZnaGlqa2xtbm9wUDeVEA8Fii3aJK9Mbq44KxmCvjqdzJik6TUxAw'
    expect(reference(K, place, Buffer.from(text), nonce(101))).toBe(vector)
    expect(await encryptText(opened, place, text, new Uint8Array(nonce(101)))).toBe(vector)
    expect(await decryptText(opened, place, vector)).toBe(text)
  })
})

test('a wrong passphrase, another conversation and another owner don’t open the key', async () => {
  expect(await openEncryption(fixed, conversation_id, `${passphrase} `)).toBeUndefined()
  expect(await openEncryption(fixed, subject, passphrase)).toBeUndefined()
  expect(
    await openEncryption({ ...fixed, owner: subject }, conversation_id, passphrase),
  ).toBeUndefined()
  for (const unknown of [{ version: 2 }, { derivation: 'none' }, { iterations: 1e9 }])
    await expect(
      openEncryption({ ...fixed, ...unknown } as Encryption, conversation_id, passphrase),
    ).rejects.toMatchObject({ code: 'invalid' })
})

test('the same passphrase in another normal form opens it', async () => {
  const decomposed = passphrase.normalize('NFD')
  expect(decomposed).not.toBe(passphrase)
  expect(await openEncryption(fixed, conversation_id, decomposed)).toBeDefined()
})

test('a new key is OWASP’s, another one each time, and in the form that the server takes', async () => {
  const made = await createEncryption(owner, conversation_id, passphrase)
  expect(Encryption.parse(made.encryption)).toEqual(made.encryption)
  expect(made.encryption.iterations).toBe(600_000)
  const key = pbkdf2Sync(
    passphrase,
    ...([Buffer.from(made.encryption.salt, 'base64url'), 600_000, 32, 'sha256'] as const),
  )
  expect(referenceOpen(key, keyPlace, made.encryption.key)).toHaveLength(32)
  const like = await createEncryptionLike(made.opened, owner, subject)
  expect(like.encryption.salt).toBe(made.encryption.salt)
  const other = { ...keyPlace, conversation_id: subject, subject }
  expect(referenceOpen(key, other, like.encryption.key)).not.toEqual(
    referenceOpen(key, keyPlace, made.encryption.key),
  )
  for (const opaque of [made.opened.key, made.opened.passphrase.key])
    await expect(crypto.subtle.exportKey('raw', opaque)).rejects.toThrow()
})

test('every text comes back, with another nonce each time, and fits', async () => {
  await fc.assert(
    fc.asyncProperty(fc.string({ unit: 'grapheme', maxLength: 50 }), async (text) => {
      const [one, two] = [
        await encryptText(opened, place, text),
        await encryptText(opened, place, text),
      ]
      expect(one).not.toBe(two)
      expect(isEncryptedText(one)).toBe(true)
      expect(await decryptText(opened, place, one)).toBe(text)
      expect(referenceOpen(K, place, two).toString()).toBe(text)
    }),
    { numRuns: 50 },
  )
  const largest = await encryptText(opened, place, 'x'.repeat(limits.messageBytes))
  expect(fitsMessage(largest)).toBe(true)
  const title = await encryptText(opened, place, '👋'.repeat(limits.titleMax))
  expect(title.length).toBeLessThanOrEqual(limits.encryptedTitleMax)
})

test('a text that was moved, changed or cut doesn’t open', async () => {
  const text = await encryptText(opened, place, 'at its place')
  const other = '01900000-0000-7000-8000-00000000000f'
  for (const moved of [
    { owner: other },
    { conversation_id: other },
    { subject: other },
    { field: 'title' as const },
    { field: 'metadata' as const },
  ])
    expect(await decryptText(opened, { ...place, ...moved }, text)).toBeUndefined()
  const bytes = Buffer.from(text.slice(5), 'base64url')
  for (let at = 0; at < bytes.length; at++) {
    const changed = Buffer.from(bytes)
    changed[at]! ^= 1
    expect(
      await decryptText(opened, place, `enc1.${changed.toString('base64url')}`),
    ).toBeUndefined()
  }
  for (let length = 0; length < text.length; length++)
    expect(await decryptText(opened, place, text.slice(0, length))).toBeUndefined()
  for (const bad of ['', 'plain', 'enc1.', `enc1.${'*'.repeat(50)}`, `enc2${text.slice(4)}`])
    expect(await decryptText(opened, place, bad)).toBeUndefined()
})
