// One-time codes of authenticator apps: TOTP (RFC 6238) with the parameters that every app
// supports: SHA-1, 6 digits and steps of 30 seconds.
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'

const STEP_MS = 30_000
const DIGITS = 6
/** 160 bits, as RFC 4226 recommends. */
const SECRET_BYTES = 20
/** How many steps the clock of a phone may be off, in either direction. */
const DRIFT = 1
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'

export const newTotpSecret = (): Buffer => randomBytes(SECRET_BYTES)

/** Base32 (RFC 4648) without padding, as apps take a secret that is typed in. */
export function toBase32(bytes: Uint8Array): string {
  const bits = Array.from(bytes, (byte) => byte.toString(2).padStart(8, '0')).join('')
  return (bits.match(/.{1,5}/g) ?? [])
    .map((group) => ALPHABET[parseInt(group.padEnd(5, '0'), 2)])
    .join('')
}

/** The address that a QR code holds. @param issuer the host, as the app shows it */
export function totpUri(secret: Uint8Array, account: string, issuer: string): string {
  const label = `${encodeURIComponent(issuer)}:${encodeURIComponent(account)}`
  const query = new URLSearchParams({
    secret: toBase32(secret),
    issuer,
    algorithm: 'SHA1',
    digits: String(DIGITS),
    period: String(STEP_MS / 1000),
  })
  return `otpauth://totp/${label}?${query.toString().replaceAll('+', '%20')}`
}

export const totpStep = (now: number): number => Math.floor(now / STEP_MS)

/** HOTP (RFC 4226) of one step. */
export function totpCode(secret: Uint8Array, step: number, digits = DIGITS): string {
  const counter = Buffer.alloc(8)
  counter.writeBigUInt64BE(BigInt(step))
  const hash = createHmac('sha1', secret).update(counter).digest()
  const offset = hash.at(-1)! & 0xf
  const number = (hash.readUInt32BE(offset) & 0x7fffffff) % 10 ** digits
  return String(number).padStart(digits, '0')
}

/**
 * The step whose code this is, if it is a step around now and later than `after`; otherwise
 * undefined. A step that has been used isn't accepted again: whoever reads a code over somebody's
 * shoulder gains nothing.
 */
export function matchTotp(
  secret: Uint8Array,
  code: string,
  { now, after }: { now: number; after: number },
): number | undefined {
  if (!/^\d{6}$/.test(code)) return undefined
  const given = Buffer.from(code)
  let match: number | undefined
  for (let step = totpStep(now) - DRIFT; step <= totpStep(now) + DRIFT; step++)
    if (timingSafeEqual(given, Buffer.from(totpCode(secret, step))) && step > after) match ??= step
  return match
}
