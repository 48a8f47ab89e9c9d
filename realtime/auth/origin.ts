// Decides which pages may use this server. A page of another site would send the user's cookie
// along, so a state-changing request or a socket is refused if its Origin is foreign. Programs send
// no Origin and have no reason to forge one.
//
// DNS rebinding (a page points its own host name at this server): with PUBLIC_ORIGIN the Host
// header isn't trusted, so such a page is foreign. Without PUBLIC_ORIGIN it counts as a page of
// this server. But browsers keep cookies by name, so it has no session and can do only what any
// program that reaches the port can: sign up and sign in. Servers that others can reach should
// therefore set PUBLIC_ORIGIN.

import type { IncomingMessage } from 'node:http'
import type { ProxyTrust } from './proxy-trust.ts'

const safeMethods: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS'])

/** Whether a request of this method may change something, so that its Origin counts. */
export const changesState = (method: string): boolean => !safeMethods.has(method)

/**
 * Whether a page of this origin may use the server. A request without an origin comes from a
 * program and may. The origin `null` (sandboxed frames, local files) is foreign.
 * @param host the host as the browser sent it
 * @param allowed the origins in PUBLIC_ORIGIN; if empty, the request's own host with either scheme
 * @param scheme the scheme that the browser used, if a trusted proxy says so; the origin must have
 * it
 */
export function originAllowed(
  origin: string | undefined,
  host: string | undefined,
  allowed: readonly string[],
  scheme?: string,
): boolean {
  if (origin === undefined) return true
  if (!URL.canParse(origin)) return false
  const page = new URL(origin)
  if (page.protocol !== 'http:' && page.protocol !== 'https:') return false
  if (page.origin !== origin.toLowerCase()) return false
  if (allowed.length > 0) return allowed.includes(page.origin)
  if (scheme !== undefined && page.protocol !== `${scheme}:`) return false
  const ownOrigin = `${page.protocol}//${host ?? ''}`
  const isPlainHost = host !== undefined && !/[/\\?#@]/.test(host)
  return isPlainHost && URL.canParse(ownOrigin) && new URL(ownOrigin).origin === page.origin
}

/** Whether the page that sent this request, or opened this socket, may use the server. */
export type OriginCheck = (request: IncomingMessage) => boolean

/** `Sec-Fetch-Site` of this server's pages and of an address that was typed; absent: a program. */
const ownSites: ReadonlySet<unknown> = new Set([undefined, 'same-origin', 'none'])

/**
 * @param allowed the origins in PUBLIC_ORIGIN; if empty, the host that the visitor's browser used
 */
export const createOriginCheck =
  (allowed: readonly string[], trust: ProxyTrust): OriginCheck =>
  (request) => {
    const { origin, 'sec-fetch-site': site } = request.headers
    // Programs send neither header. A browser marks a request from a page of another site, even if
    // it leaves the Origin out. Whatever a browser doesn't say of its own pages is foreign.
    if (origin === undefined && !ownSites.has(site)) return false
    const { host, scheme } = trust.siteOf(request)
    return originAllowed(origin, host, allowed, scheme)
  }

/** Whether every page is served over https, as far as PUBLIC_ORIGIN says. */
export const onlyHttps = (allowed: readonly string[]): boolean =>
  allowed.length > 0 && allowed.every((origin) => origin.startsWith('https:'))
