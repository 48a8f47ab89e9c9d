// Limits what visitors do on this node, by where they come from: by network, and by the site that
// the network belongs to.
import { networkOf, SITE_SHARES, siteOf } from './rate-limits.ts'
import { KeyedTokenBuckets, type TokenRate } from './token-bucket.ts'

export class NetworkBuckets {
  readonly #networks: KeyedTokenBuckets
  readonly #sites: KeyedTokenBuckets

  /** @param rate of one network */
  constructor({ rate, burst }: TokenRate) {
    this.#networks = new KeyedTokenBuckets({ rate, burst })
    this.#sites = new KeyedTokenBuckets({ rate: rate * SITE_SHARES, burst: burst * SITE_SHARES })
  }

  /** Takes tokens of this address and returns 0, or returns the time until there is one (ms). */
  take(address: string, cost = 1): number {
    const site = siteOf(address)
    const wait = this.#networks.take(networkOf(address), cost)
    return wait > 0 || site === undefined ? wait : this.#sites.take(site, cost)
  }

  /** Takes tokens of this address, however few there are. */
  spend(address: string, cost: number): void {
    const site = siteOf(address)
    this.#networks.spend(networkOf(address), cost)
    if (site !== undefined) this.#sites.spend(site, cost)
  }
}
