// The checksum that is stored with each document.
import { crc32 } from 'node:zlib'
import { ServerError } from '../errors.ts'

/** The checksum of bytes, as SQLite stores it. */
export function checksumOf(bytes: Uint8Array): number {
  return crc32(bytes)
}

/** The error for stored data that aren't what was written. */
export function damage(what: string, path: string): ServerError {
  return new ServerError(
    'DataCorruptionDetected',
    366,
    `${what} in ${path} is damaged: its checksum is wrong. Stop the server and run \`lockstep repair\`, or restore a backup.`,
  )
}
