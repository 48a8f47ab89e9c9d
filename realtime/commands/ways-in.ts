// By which ways a user can sign in on this server. Whatever takes one away asks here first, so that
// no account is left without any.
import type { HostConfig } from '../config/host-users.ts'
import type { UserDocument } from '../store/documents.ts'

type Ways = Pick<UserDocument, 'password_hash' | 'host'>

export interface WaysIn {
  /** Whether this server offers passkeys. Where a proxy signs everybody in, nobody needs one. */
  hasPasskeys: boolean
  /** Whether the user can sign in by something else than a passkey. */
  besidesPasskeys(user: Ways): boolean
  /** Whether the user, who has so many passkeys, can sign in elsewhere than at a host app. */
  besidesHost(user: Ways, passkeys: number): boolean
}

export function createWaysIn({ withoutPasswords, oidc, trustedProxy }: HostConfig): WaysIn {
  const hasPasskeys = !(trustedProxy && withoutPasswords)
  const byPassword = ({ password_hash }: Ways) => !withoutPasswords && password_hash !== undefined
  return {
    hasPasskeys,
    besidesPasskeys: (user) =>
      byPassword(user) || (user.host !== undefined && (oidc ?? trustedProxy) !== undefined),
    besidesHost: (user, passkeys) => byPassword(user) || (hasPasskeys && passkeys > 0),
  }
}
