// Request headers that steer a change: under which key it may be repeated, on which version it insists, whose state the client holds.
import * as z from 'zod'
import { Fault } from '@lockstep/protocol/errors'
import { newId } from '@lockstep/protocol/ids'
import { Uuid } from '@lockstep/protocol/scalars'

type Header = string | string[] | undefined

const invalid = (path: string, message: string) =>
  new Fault('invalid', { detail: `${path} ${message}`, issues: [{ path, message }] })

/** `Idempotency-Key` as `mutation_id`; a fresh one without it. Throws `invalid` for what isn't a UUID. */
export function mutationIdOf(header: Header): string {
  if (header === undefined) return newId()
  const { success, data } = z.safeParse(Uuid, header)
  if (!success) throw invalid('Idempotency-Key', 'must be a UUID')
  return data
}

/** `If-Match` with or without quotes or `W/` as a version; undefined: any. Throws `invalid` for what was never an ETag of ours. */
export function ifVersionOf(header: Header): number | undefined {
  if (header === undefined || header === '*') return undefined
  const text = String(header).trim()
  const digits = /^(?:W\/)?(?:"(\d+)"|(\d+))$/.exec(text)
  const version = Number(digits?.[1] ?? digits?.[2])
  if (!Number.isSafeInteger(version) || version < 1)
    throw invalid('If-Match', 'must be one ETag that this server gave')
  return version
}

export const etagOf = (version: number): string => `"${version}"`

/** Throws `unauthenticated` when the client holds another user's state than its cookie's. */
export function checkLockstepUser(header: Header, user_id: string): void {
  if (header !== undefined && String(header).toLowerCase() !== user_id)
    throw new Fault('unauthenticated', { detail: 'Somebody else is signed in now' })
}
