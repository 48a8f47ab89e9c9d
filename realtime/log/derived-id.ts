// Ids that follow from what is done. It is a file of its own because the thread that reads imports
// loads it, and should load neither the log nor the database's driver with it.
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
