// Limits how often requests may be made on this node. Requests of signed-in users are counted by
// user, so that nobody is kept out by other people behind the same address.
import { Fault } from '@lockstep/protocol/errors'
import { networkOf } from '../auth/rate-limits.ts'
import { KeyedTokenBuckets } from '../auth/token-bucket.ts'
import type { HttpSettings } from './settings.ts'

/** Both functions count one request and throw `rate_limited` if there have been too many. */
export interface RequestLimits {
  countUser(user_id: string): void
  /** For a request of somebody who isn't signed in. */
  countAddress(address: string): void
}

export function createRequestLimits(
  settings: Pick<HttpSettings, 'userRate' | 'addressRate'>,
): RequestLimits {
  const users = new KeyedTokenBuckets(settings.userRate)
  const networks = new KeyedTokenBuckets(settings.addressRate)
  return {
    countUser: (user_id) => refuseIfPositive(users.take(user_id)),
    countAddress: (address) => refuseIfPositive(networks.take(networkOf(address))),
  }
}

function refuseIfPositive(retry_after_ms: number): void {
  if (retry_after_ms > 0) throw new Fault('rate_limited', { retry_after_ms })
}
