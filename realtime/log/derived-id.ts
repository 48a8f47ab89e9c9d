// Ids that are derived from what the server does. They have a file of their own, because the thread
// that reads imports loads this file and should load neither the log nor the database's driver.
import { createHash } from 'node:crypto'

/**
 * The `mutation_id` of something that the server does at most once. The same parts give the same
 * UUID on every node (UUIDv8, RFC 9562).
 */
export function derivedId(...parts: readonly (string | number)[]): string {
  const hex = createHash('sha256').update(JSON.stringify(parts)).digest('hex')
  const variant = ((parseInt(hex[16]!, 16) & 0x3) | 0x8).toString(16)
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`
}
