// A user whom the host app brings. Who it is are issuer and subject alone: names and addresses can be given away, and an account that
// followed them would follow them to somebody else.
import { limits } from '@lockstep/protocol/limits'
import type { HostIdentity } from '../store/users.ts'

export interface HostUser extends HostIdentity {
  /** What the user may be called, best first: names or addresses as people write them. Only a new account's name is made of them. */
  names: readonly string[]
}

/** Subjects are at most this long, as OpenID Connect says. */
export const SUBJECT_MAX = 255

/** The first of these that makes a username by the contract's rule, folded to it; `user` when none does. */
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
