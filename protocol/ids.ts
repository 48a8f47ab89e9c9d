// Ids are UUIDs in lower case. The server and the clients make UUIDv7, so that ids sort by creation
// time.
import type { Uuid } from './scalars.ts'

/**
 * A new UUIDv7 (RFC 9562, section 5.7). It also works on pages served over plain http, where
 * `crypto.randomUUID` is missing.
 * @param now milliseconds since 1970
 */
export function newId(now: number = Date.now()): Uuid {
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  for (let i = 0; i < 6; i++) bytes[i] = Math.floor(now / 2 ** (8 * (5 - i))) % 256
  bytes[6] = (bytes[6]! & 0x0f) | 0x70
  bytes[8] = (bytes[8]! & 0x3f) | 0x80
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}

/** Whether a text, such as a part of an address, has the form of an id. */
export const isId = (text: string): boolean =>
  /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i.test(text)
