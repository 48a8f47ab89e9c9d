// What a Node program needs besides the engine: a browser keeps the session cookie, Node doesn't.
import type { EngineOptions } from './client.ts'

/** Options of `createEngine`. */
export type CookieJar = Required<Pick<EngineOptions, 'fetch' | 'headers'>>

/**
 * Keeps one server's cookies in memory, for one engine: `createEngine({ origin, ...cookieJar() })`.
 * Two engines with a jar each are two devices, signed in independently. The cookies are gone when
 * the process ends; nothing is written to disk.
 */
export function cookieJar(): CookieJar {
  const cookies = new Map<string, string>()
  return {
    fetch: async (input, init) => {
      const response = await fetch(input, init)
      for (const header of response.headers.getSetCookie()) {
        const { name, value, expired } = parseSetCookie(header)
        if (expired) cookies.delete(name)
        else cookies.set(name, value)
      }
      return response
    },
    headers: (): Record<string, string> => {
      if (cookies.size === 0) return {}
      return { cookie: Array.from(cookies, ([name, value]) => `${name}=${value}`).join('; ') }
    },
  }
}

/** `name=value; Attribute=value; …` (RFC 6265). `Max-Age` counts more than `Expires`. */
function parseSetCookie(header: string): { name: string; value: string; expired: boolean } {
  const [pair = '', ...attributes] = header.split(';')
  const [name, value] = splitAtFirst(pair, '=')
  const given = new Map(
    attributes.map((attribute) => {
      const [key, text] = splitAtFirst(attribute, '=')
      return [key.toLowerCase(), text] as const
    }),
  )
  const maxAge = given.get('max-age')
  const expires = given.get('expires')
  const expired =
    maxAge !== undefined
      ? Number(maxAge) <= 0
      : expires !== undefined && Date.parse(expires) <= Date.now()
  return { name, value, expired }
}

/** The trimmed texts before and after the first `separator`; the second is empty without one. */
function splitAtFirst(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator)
  if (at === -1) return [text.trim(), '']
  return [text.slice(0, at).trim(), text.slice(at + 1).trim()]
}
