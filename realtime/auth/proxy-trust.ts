// Tells who a visitor is and under which scheme and host the visitor's browser opened this server.
// A proxy in front of it says so in `X-Forwarded-For`, `-Proto` and `-Host`. These headers count
// only if TRUST_PROXY trusts the address that the request comes from, because anybody can send
// them. Each proxy appends the address that it sees, so addresses are believed from the right, as
// long as the proxy that wrote them is trusted.
import type { IncomingMessage } from 'node:http'
import { BlockList, isIP, SocketAddress } from 'node:net'
import { addRange } from './address-ranges.ts'

/**
 * The value of TRUST_PROXY: one proxy, nobody, a number of proxies in a row, or a comma-separated
 * list of addresses and ranges (`10.0.0.0/8`, `loopback`, `linklocal`, `uniquelocal`).
 */
export type TrustSetting = boolean | number | string

/** The scheme and host that the visitor's browser used. */
export interface VisitedSite {
  /** Undefined if no trusted proxy reports it: the connection to this server may differ. */
  scheme: 'http' | 'https' | undefined
  host: string | undefined
}

export interface ProxyTrust {
  /** Whether the headers of this address count. @param hop 0 for the direct connection */
  trusts(address: string, hop: number): boolean
  siteOf(request: IncomingMessage): VisitedSite
  /** The visitor's address: the first one, seen from here, that isn't a trusted proxy's. */
  addressOf(request: IncomingMessage): string
}

const namedRanges: Record<string, readonly string[]> = {
  loopback: ['127.0.0.0/8', '::1/128'],
  linklocal: ['169.254.0.0/16', 'fe80::/10'],
  uniquelocal: ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7'],
}

/** Throws for an address or a range that isn't valid. */
export function createProxyTrust(setting: TrustSetting): ProxyTrust {
  const trusts = trustsOf(setting)
  return {
    trusts,
    addressOf({ headers, socket }) {
      const addresses = [socket.remoteAddress ?? '', ...forwardedFor(headers)]
      const visitor = addresses.findIndex((address, hop) => !trusts(address, hop))
      return addresses.at(visitor)!
    },
    siteOf({ headers, socket }) {
      if (!trusts(socket.remoteAddress ?? '', 0)) return { scheme: undefined, host: headers.host }
      const scheme = firstValue(headers['x-forwarded-proto'])?.toLowerCase()
      return {
        scheme: scheme === 'http' || scheme === 'https' ? scheme : undefined,
        host: firstValue(headers['x-forwarded-host']) ?? headers.host,
      }
    },
  }
}

function trustsOf(setting: TrustSetting): ProxyTrust['trusts'] {
  if (typeof setting === 'boolean') return trustsOf(Number(setting))
  if (typeof setting === 'number') return (_address, hop) => hop < setting
  const trusted = new BlockList()
  for (const item of setting.split(',').map((text) => text.trim()))
    for (const range of namedRanges[item] ?? [item]) addRange(trusted, range)
  return (address) => {
    // an IPv4 client of a server that listens on IPv6
    const plain = address.replace(/^::ffff:(?=[\d.]+$)/i, '')
    const version = isIP(plain)
    return version !== 0 && trusted.check(plain, version === 4 ? 'ipv4' : 'ipv6')
  }
}

/**
 * The addresses in `X-Forwarded-For`, the one that the nearest proxy wrote first. The list
 * ends before the first entry that isn't an address: nobody knows who sent such a request.
 */
function forwardedFor(headers: IncomingMessage['headers']): string[] {
  const items = String(headers['x-forwarded-for'] ?? '').split(',')
  const addresses: string[] = []
  for (const item of items.reverse()) {
    const address = addressIn(item.trim())
    if (address === undefined) break
    addresses.push(address)
  }
  return addresses
}

/**
 * The address in what a proxy writes, always in the same form. Some proxies add the port, which is
 * another one for each connection, so nothing would be counted by address.
 */
function addressIn(item: string): string | undefined {
  const withPort = /^"?(?:\[(.+)\](?::\d+)?|([\d.]+):\d+)"?$/.exec(item)
  const address = (withPort?.[1] ?? withPort?.[2] ?? item).replace(/%.*$/, '')
  const version = isIP(address)
  if (version === 0) return undefined
  return new SocketAddress({ address, family: version === 4 ? 'ipv4' : 'ipv6' }).address
}

/** Each proxy in a row appends its value, so the first one is what the visitor's browser used. */
function firstValue(header: string | string[] | undefined): string | undefined {
  const [first] = String(header ?? '').split(',')
  return first?.trim() || undefined
}
