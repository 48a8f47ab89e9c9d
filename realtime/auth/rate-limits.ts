// How often passwords may be guessed and accounts be made. Guesses are counted before they are tried, so that sending them side by side
// gains nothing; what turns out right is given back, and who comes meanwhile waits for that instead of being refused. Others can only keep an
// account's owner out of addresses where nobody has been right lately.
import { isIPv6 } from 'node:net'
import { RateLimiterMemory, RateLimiterRes, type RateLimiterAbstract } from 'rate-limiter-flexible'
import { Fault } from '@lockstep/protocol/errors'

export interface RateLimitRule {
  points: number
  seconds: number
}
export interface RateLimitRules {
  /** Wrong passwords for one account from one address. */
  guesses: RateLimitRule
  /** Wrong passwords for one account, from addresses that it isn't known at. */
  guessesPerAccount: RateLimitRule
  /** Wrong passwords from one address, for accounts that aren't known there. */
  guessesPerAddress: RateLimitRule
  /** New accounts from one address. */
  signUps: RateLimitRule
  /** An account is known at an address for so long after it was signed in to there. */
  known: Pick<RateLimitRule, 'seconds'>
}

const rateLimitRules: RateLimitRules = {
  guesses: { points: 10, seconds: 15 * 60 },
  guessesPerAccount: { points: 50, seconds: 15 * 60 },
  guessesPerAddress: { points: 100, seconds: 15 * 60 },
  signUps: { points: 1_000, seconds: 60 * 60 },
  known: { seconds: 14 * 24 * 60 * 60 },
}

/** Counts by key; rejects with a `RateLimiterRes` when there were too many. */
export type Limiter = Pick<RateLimiterAbstract, 'consume' | 'reward' | 'delete' | 'get'>

/** Makes the counter of one rule; `name` is unique among them. Over several nodes it counts in Redis. */
export type LimiterFactory = (name: string, rule: RateLimitRule) => Limiter

const inMemory: LimiterFactory = (keyPrefix, { points, seconds }) =>
  new RateLimiterMemory({ keyPrefix, points, duration: seconds })

export interface RateLimits {
  /**
   * Runs a check of a password. Throws `rate_limited` instead when there were too many wrong ones.
   * @param signedIn on a device of the account: then others' guesses don't count
   */
  checkPassword<T>(
    account: string,
    address: string,
    check: () => Promise<T>,
    signedIn?: boolean,
  ): Promise<T>
  /** Somebody has proved to be the owner of the account, from this address. */
  rememberAddress(account: string, address: string): Promise<void>
  /** Throws `rate_limited` when too many accounts were made from the address. */
  countSignUp(address: string): Promise<void>
}

export function createRateLimits(
  given: Partial<RateLimitRules> = {},
  limiter: LimiterFactory = inMemory,
): RateLimits {
  const rules = { ...rateLimitRules, ...given }
  const guesses = new Attempts(limiter('guesses', rules.guesses))
  const perAccount = new Attempts(limiter('guesses-per-account', rules.guessesPerAccount))
  const perAddress = new Attempts(limiter('guesses-per-address', rules.guessesPerAddress))
  const known = limiter('known', { points: Number.MAX_SAFE_INTEGER, seconds: rules.known.seconds })
  const signUps = limiter('sign-ups', rules.signUps)

  async function know(pair: string): Promise<void> {
    await known.consume(pair).catch(() => undefined) // only a convenience
  }

  return {
    async checkPassword(account, address, check, signedIn = false) {
      const [name, network] = [account.slice(0, 100), networkOf(address)]
      const pair = `${name}|${network}`
      const isKnown = signedIn || (await known.get(pair).catch(() => null)) !== null
      const counted = [
        [guesses, pair],
        ...(isKnown
          ? []
          : [
              [perAccount, name],
              [perAddress, network],
            ]),
      ] as [Attempts, string][]
      const begun: Attempt[] = []
      let wrong = false
      try {
        for (const [attempts, key] of counted) begun.push(await attempts.begin(key))
        const result = await check()
        begun[0]!.forget()
        await know(pair)
        return result
      } catch (error) {
        wrong =
          begun.length === counted.length &&
          error instanceof Fault &&
          error.code === 'invalid_credentials'
        throw error
      } finally {
        for (const attempt of begun) await attempt.end(wrong)
      }
    },
    rememberAddress: (account, address) => know(`${account.slice(0, 100)}|${networkOf(address)}`),
    async countSignUp(address) {
      const refusal = await take(signUps, networkOf(address))
      if (refusal) throw refusal
    },
  }
}

interface Attempt {
  /** It was right: earlier wrong ones of this key count no more. */
  forget(): void
  /** Its point stays taken when it was wrong. */
  end(wrong: boolean): Promise<void>
}

interface KeyState {
  /** Points held by attempts that are under way in this node. */
  held: number
  /** Attempts that have ended so far. */
  ended: number
  /** Who waits for the end of another. */
  waiting: (() => void)[]
  interested: number
}

/** Points that are taken while something is tried. */
class Attempts {
  readonly #limiter: Limiter
  readonly #keys = new Map<string, KeyState>()

  constructor(limiter: Limiter) {
    this.#limiter = limiter
  }

  /** Takes a point; waits while one that is under way may still be given back. Throws `rate_limited`. */
  async begin(key: string): Promise<Attempt> {
    const trying = this.#keys.get(key) ?? { held: 0, ended: 0, waiting: [], interested: 0 }
    this.#keys.set(key, trying)
    trying.interested++
    for (;;) {
      const { ended } = trying
      const refusal = await take(this.#limiter, key)
      if (!refusal) break
      if (trying.ended !== ended) continue // its point may have come back a moment after the answer
      if (trying.held === 0) {
        this.#leave(key, trying)
        throw refusal
      }
      await new Promise<void>((resolve) => trying.waiting.push(resolve))
    }
    trying.held++
    return this.#attempt(key, trying)
  }

  #attempt(key: string, trying: KeyState): Attempt {
    let forgets = false
    return {
      forget: () => void (forgets = true),
      end: async (wrong) => {
        try {
          // others that are under way have points of their own, which they give back themselves
          if (forgets && trying.held === 1) await this.#limiter.delete(key)
          else if (!wrong) await this.#limiter.reward(key)
        } finally {
          trying.held--
          trying.ended++
          this.#leave(key, trying)
        }
      },
    }
  }

  /** The next one finds out for itself; when it is refused, too, it wakes another. */
  #leave(key: string, trying: KeyState): void {
    trying.waiting.shift()?.()
    if (--trying.interested === 0) this.#keys.delete(key)
  }
}

/** Takes a point, or gives the refusal: that one takes none. */
async function take(limiter: Limiter, key: string): Promise<Fault | undefined> {
  try {
    await limiter.consume(key)
    return undefined
  } catch (error) {
    if (!(error instanceof RateLimiterRes))
      return new Fault('unavailable', { retry_after_ms: 1_000 }, error)
    await limiter.reward(key).catch(() => undefined)
    return new Fault('rate_limited', { retry_after_ms: error.msBeforeNext })
  }
}

/** What one person has: an IPv4 address, or the first 64 bits of an IPv6 one. */
export function networkOf(address: string): string {
  const plain = address.replace(/^::ffff:(?=\d+\.)/i, '').replace(/%.*$/, '')
  if (!isIPv6(plain)) return plain
  const [head = '', tail] = plain.split('::')
  const groups = head.split(':').filter(Boolean)
  const rest = tail?.split(':').filter(Boolean) ?? []
  while (tail !== undefined && groups.length + rest.length < 8) groups.push('0')
  return [...groups, ...rest]
    .slice(0, 4)
    .map((group) => parseInt(group, 16).toString(16))
    .join(':')
}
