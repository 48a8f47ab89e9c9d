// Limits what may be asked of this node. A request counts by its bytes as well, because parsing and
// checking them is what it costs. Requests of signed-in users are counted by user, so that nobody
// is kept out by other people behind the same address.
import { Fault } from '@lockstep/protocol/errors'
import { NetworkBuckets } from '../auth/network-buckets.ts'
import { KeyedTokenBuckets } from '../auth/token-bucket.ts'
import type { HttpSettings } from './settings.ts'

/**
 * The functions `count…` count one request with a body of `bytes`, and throw `rate_limited` if
 * there has been too much.
 */
export interface RequestLimits {
  countUser(user_id: string, bytes: number): void
  /** Counts bytes of a body whose length nobody knew, or returns how long they must wait (ms). */
  waitOf(user_id: string, bytes: number): number
  /** For a request of somebody who isn't signed in. */
  countAddress(address: string, bytes?: number): void
}

/** A body of this size counts as one request more. */
const BYTES_OF_REQUEST = { user: 32 * 1024, address: 4 * 1024 }

export function createRequestLimits(
  settings: Pick<HttpSettings, 'userRate' | 'addressRate'>,
): RequestLimits {
  const users = new KeyedTokenBuckets(settings.userRate)
  const networks = new NetworkBuckets(settings.addressRate)
  return {
    countUser: (user_id, bytes) =>
      refuseIfPositive(users.take(user_id, 1 + bytes / BYTES_OF_REQUEST.user)),
    waitOf: (user_id, bytes) => users.take(user_id, bytes / BYTES_OF_REQUEST.user),
    countAddress: (address, bytes = 0) =>
      refuseIfPositive(networks.take(address, 1 + bytes / BYTES_OF_REQUEST.address)),
  }
}

function refuseIfPositive(retry_after_ms: number): void {
  if (retry_after_ms > 0) throw new Fault('rate_limited', { retry_after_ms })
}
