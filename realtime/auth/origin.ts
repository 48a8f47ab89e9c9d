// Which pages may use this server. Pages of other sites send the visitor's cookie along, programs don't lie about where they come
// from: so a state-changing request or a socket is refused when its Origin is known and foreign.
//
// What holds against DNS rebinding: with PUBLIC_ORIGIN the Host header is never believed, so a page whose name was pointed at this
// server is foreign. Without it such a page counts as the own one, but the browser keeps cookies by name: it has no session, and gains
// what any program that reaches the port has, signing up and in. Servers that others can reach should therefore set PUBLIC_ORIGIN.

const safeMethods: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS'])

/** True for requests that may change something, the ones whose Origin counts. */
export const changesState = (method: string): boolean => !safeMethods.has(method)

/**
 * May a page of this origin use the server? No origin is a program: yes. `null` (sandboxed frames, files) is foreign.
 * @param host the request's own Host header, as the browser wrote it: a proxy that rewrites it needs `allowed`
 * @param allowed origins from PUBLIC_ORIGIN; empty: the own host, by either scheme
 * @param scheme what the visitor used, where a trusted proxy tells; then the origin's must be the same
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
  const own = `${page.protocol}//${host ?? ''}`
  const plain = host !== undefined && !/[/\\?#@]/.test(host)
  return plain && URL.canParse(own) && new URL(own).origin === page.origin
}

/** Pages only come over https, as far as it is known. */
export const onlyHttps = (allowed: readonly string[]): boolean =>
  allowed.length > 0 && allowed.every((origin) => origin.startsWith('https:'))
