// Which addresses the server may be sent to by somebody's request. Its own network may have
// services that trust it because of where it is: databases, the cloud's metadata, other servers.
// An address counts as it will be connected to, so a name must be resolved first, and the
// connection must go to the very address that was checked.
import { lookup } from 'node:dns/promises'
import { BlockList, isIP } from 'node:net'
import { addRange } from './address-ranges.ts'

/**
 * What isn't the public internet, by the registries of special addresses. An IPv4 address within an
 * IPv6 one counts like the IPv4 address; ranges that hide one in another form are refused as a
 * whole.
 */
const ownRanges = [
  ...['0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16'],
  ...['172.16.0.0/12', '192.0.0.0/24', '192.0.2.0/24', '192.88.99.0/24', '192.168.0.0/16'],
  ...['198.18.0.0/15', '198.51.100.0/24', '203.0.113.0/24', '224.0.0.0/4', '240.0.0.0/4'],
  ...['::/96', '64:ff9b::/96', '64:ff9b:1::/48', '100::/64', '2001::/23', '2001:db8::/32'],
  ...['2002::/16', '3fff::/20', '5f00::/16', 'fc00::/7', 'fe80::/10', 'fec0::/10', 'ff00::/8'],
]

export interface OwnNetwork {
  /** Whether requests may go to this address. */
  isReachable(address: string): boolean
  /**
   * Whether the host of a URL names the server's own network without being resolved: by a literal
   * address, or as localhost.
   */
  isRefusedHost(hostname: string): boolean
  /**
   * The addresses of a host to which requests may go, in the order in which to try them. Rejects
   * with an `OwnNetworkError` if there are only others.
   */
  resolve(hostname: string): Promise<string[]>
}

export class OwnNetworkError extends Error {
  override name = 'OwnNetworkError'
}

/** The address in a URL's host; undefined for a name. */
function literalOf(hostname: string): string | undefined {
  const address = hostname.replace(/^\[(.*)\]$/, '$1')
  return isIP(address) === 0 ? undefined : address
}

/** @param allowed addresses and ranges of it that may be reached nevertheless */
export function createOwnNetwork(allowed: readonly string[] = []): OwnNetwork {
  const [own, exceptions] = [new BlockList(), new BlockList()]
  for (const range of ownRanges) addRange(own, range)
  for (const range of allowed) addRange(exceptions, range)

  function isReachable(address: string): boolean {
    const plain = address.replace(/%.*$/, '')
    const version = isIP(plain)
    if (version === 0) return false
    const family = version === 4 ? 'ipv4' : 'ipv6'
    return exceptions.check(plain, family) || !own.check(plain, family)
  }

  return {
    isReachable,
    isRefusedHost(hostname) {
      const literal = literalOf(hostname)
      if (literal !== undefined) return !isReachable(literal)
      const isLocal = /(?:^|\.)localhost\.?$/i.test(hostname)
      return isLocal && !isReachable('127.0.0.1') && !isReachable('::1')
    },
    async resolve(hostname) {
      const literal = literalOf(hostname)
      const all =
        literal === undefined
          ? (await lookup(hostname, { all: true })).map(({ address }) => address)
          : [literal]
      const reachable = all.filter(isReachable)
      if (reachable.length === 0)
        throw new OwnNetworkError(
          'the address belongs to the server’s own network: see WEBHOOK_ALLOW',
        )
      return reachable
    },
  }
}
