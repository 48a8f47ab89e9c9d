// How often somebody may ask. Those who are signed in are counted by user, so that nobody is kept out by others behind the same address.
import { Fault } from '@lockstep/protocol/errors'
import { networkOf } from '../auth/rate-limits.ts'
import { KeyedTokenBuckets } from '../auth/token-bucket.ts'
import type { HttpSettings } from './settings.ts'

/** Both throw `rate_limited` when it was too often. */
export interface RequestLimits {
  countUser(user_id: string): void
  /** Who isn't signed in. */
  countAddress(address: string): void
}

export function createRequestLimits(
  settings: Pick<HttpSettings, 'userRate' | 'addressRate'>,
): RequestLimits {
  const [users, addresses] = [
    new KeyedTokenBuckets(settings.userRate),
    new KeyedTokenBuckets(settings.addressRate),
  ]
  return {
    countUser: (user_id) => refuse(users.take(user_id)),
    countAddress: (address) => refuse(addresses.take(networkOf(address))),
  }
}

function refuse(retry_after_ms: number): void {
  if (retry_after_ms > 0) throw new Fault('rate_limited', { retry_after_ms })
}
