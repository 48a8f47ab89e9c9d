// Reads the request headers that steer a command: `Idempotency-Key`, `If-Match` and
// `Lockstep-User`.
import * as z from 'zod'
import { Fault } from '@lockstep/protocol/errors'
import { newId } from '@lockstep/protocol/ids'
import { Uuid } from '@lockstep/protocol/scalars'

type Header = string | string[] | undefined

const invalid = (path: string, message: string) =>
  new Fault('invalid', { detail: `${path} ${message}`, issues: [{ path, message }] })

/**
 * The `mutation_id` in an `Idempotency-Key`; a new one if there is no such header. Throws `invalid`
 * for anything but a UUID.
 */
export function mutationIdOf(header: Header): string {
  if (header === undefined) return newId()
  const { success, data } = z.safeParse(Uuid, header)
  if (!success) throw invalid('Idempotency-Key', 'must be a UUID')
  return data
}

/**
 * The version in an `If-Match`, with or without quotes or `W/`; undefined if any version will do.
 * Throws `invalid` for anything that this server never sends as an ETag.
 */
export function ifVersionOf(header: Header): number | undefined {
  if (header === undefined || header === '*') return undefined
  const text = String(header).trim()
  const digits = /^(?:W\/)?(?:"(\d+)"|(\d+))$/.exec(text)
  const version = Number(digits?.[1] ?? digits?.[2])
  if (!Number.isSafeInteger(version) || version < 1)
    throw invalid('If-Match', 'must be one ETag that this server has sent')
  return version
}

/**
 * Whether `If-None-Match: *` is given: the request counts only if the entity doesn't exist. Throws
 * `invalid` for an ETag, which makes no sense for a request that changes something.
 */
export function onlyIfAbsent(header: Header): boolean {
  if (header === undefined) return false
  if (String(header).trim() !== '*') throw invalid('If-None-Match', 'must be *')
  return true
}

export const etagOf = (version: number): string => `"${version}"`

/** Throws `unauthenticated` if the client holds the state of a user who isn't the signed-in one. */
export function checkLockstepUser(header: Header, user_id: string): void {
  if (header !== undefined && String(header).toLowerCase() !== user_id)
    throw new Fault('unauthenticated', { detail: 'Another user is signed in now' })
}
