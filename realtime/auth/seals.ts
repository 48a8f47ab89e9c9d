// Seals values that pass through a browser: only this server's secrets can make or read a seal.
import { sealData, unsealData } from 'iron-session'

/** For a seal without an end of its own: it lasts as long as the document that stores it. */
export const NO_END = 0

export interface Seals {
  /** Seals a value that may be opened for `seconds` from now. */
  seal(value: object, seconds: number): Promise<string>
  /**
   * The sealed value; empty if it is forged, altered or older than `seconds`. A seal doesn't say
   * which kind of value it holds, so the caller must check the fields.
   */
  open<T extends object>(sealed: string, seconds: number): Promise<Partial<T>>
}

/**
 * @param secrets at least 32 characters each. The first secret seals and all of them open, so that
 * a secret can be replaced without invalidating the seals that are in use.
 */
export function createSeals(secrets: readonly string[]): Seals {
  // iron-session writes the number of a secret into the seal, and numbers shift when the oldest
  // secret is removed. So every secret has the number 1, and all of them are tried in turn.
  const passwords = secrets.map((secret) => ({ 1: secret }))
  return {
    seal: (value, seconds) => sealData(value, { password: passwords[0]!, ttl: seconds }),
    async open<T extends object>(sealed: string, seconds: number) {
      for (const password of passwords) {
        const value = await unsealData<Partial<T>>(sealed, { password, ttl: seconds })
        if (Object.keys(value).length > 0) return value
      }
      return {}
    },
  }
}
