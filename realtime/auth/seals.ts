// Values that pass through a browser and can neither be read nor made there: only this server's secrets seal and open them.
import { sealData, unsealData } from 'iron-session'

export interface Seals {
  /** Holds for so many seconds. */
  seal(value: object, seconds: number): Promise<string>
  /** What was sealed; empty when others sealed it, it was touched, or is too old. Its fields have to be looked at: which value it is isn't told. */
  open<T extends object>(sealed: string, seconds: number): Promise<Partial<T>>
}

/** @param secrets 32+ characters each; the first seals, all open, so that they can be exchanged without losing what is under way */
export function createSeals(secrets: readonly string[]): Seals {
  // iron-session names secrets by number inside the seal; one name for all, tried in turn, as positions shift when the oldest is dropped
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
