// A user whom the host app has signed in. Only issuer and subject identify the user. Names and mail
// addresses can pass to another person, who would then get the account.
import { limits } from '@lockstep/protocol/limits'
import type { HostIdentity, HostMoment, HostSession } from '../store/documents.ts'

export type { HostSession }

export interface HostUser extends HostIdentity {
  /**
   * Names or mail addresses from which the username of a new account is made, best first. An
   * existing account keeps its username.
   */
  names: readonly string[]
  /** The sign-in at the provider, which the provider can end. Absent: a proxy named the user. */
  session?: HostSession
  /** When that sign-in was. */
  signedIn?: HostMoment
}

/** The maximum length of a subject, as in OpenID Connect. */
export const SUBJECT_MAX = 255

/**
 * The first of these names that can be folded to a valid username, in its folded form; `user` if
 * none can.
 */
export function usernameFrom(names: readonly string[]): string {
  const folded = names.map((name) =>
    (name.split('@')[0] ?? '')
      .normalize('NFKD')
      .replace(/\p{M}/gu, '')
      .toLowerCase()
      .replace(/[^a-z0-9._-]+/g, '-')
      .replace(/^[-.]+|[-.]+$/g, '')
      .slice(0, limits.usernameMax),
  )
  return folded.find((name) => name.length >= limits.usernameMin) ?? 'user'
}
