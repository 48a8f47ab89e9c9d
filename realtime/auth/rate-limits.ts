// How often passwords may be guessed and accounts be made. Guesses are counted before they are tried, so that sending them side by side
// gains nothing; what turns out right is given back.
import { isIPv6 } from 'node:net'
import { RateLimiterMemory, RateLimiterRes, type RateLimiterAbstract } from 'rate-limiter-flexible'
import { Fault } from '../../protocol/errors.ts'

export interface Rule {
  points: number
  seconds: number
}
export interface RateLimitRules {
  /** Wrong passwords for one account from one address. */
  guesses: Rule
  /** Wrong passwords from one address, whatever the account. */
  guessesPerAddress: Rule
  /** New accounts from one address. */
  signUps: Rule
}

const rateLimitRules: RateLimitRules = {
  guesses: { points: 10, seconds: 15 * 60 },
  guessesPerAddress: { points: 100, seconds: 15 * 60 },
  signUps: { points: 1_000, seconds: 60 * 60 },
}

/** Counts by key; rejects with a `RateLimiterRes` when there were too many. */
export type Limiter = Pick<RateLimiterAbstract, 'consume' | 'reward' | 'delete'>

/** Makes the counter of one rule; `name` is unique among them. Over several nodes it counts in Redis. */
export type LimiterFactory = (name: string, rule: Rule) => Limiter

const inMemory: LimiterFactory = (keyPrefix, { points, seconds }) =>
  new RateLimiterMemory({ keyPrefix, points, duration: seconds })

export interface RateLimits {
  /** Runs a check of a password. Throws `rate_limited` instead when there were too many wrong ones. */
  guess<T>(account: string, address: string, check: () => Promise<T>): Promise<T>
  /** Throws `rate_limited` when too many accounts were made from the address. */
  signUp(address: string): Promise<void>
}

export function createRateLimits(
  rules: RateLimitRules = rateLimitRules,
  limiter: LimiterFactory = inMemory,
): RateLimits {
  const guesses = limiter('guesses', rules.guesses)
  const guessesPerAddress = limiter('guesses-per-address', rules.guessesPerAddress)
  const signUps = limiter('sign-ups', rules.signUps)
  return {
    async guess(account, address, check) {
      const network = networkOf(address)
      const key = `${account.slice(0, 100)}|${network}`
      await take(guessesPerAddress, network)
      await take(guesses, key)
      const result = await check().catch(async (error: unknown) => {
        const wrong = error instanceof Fault && error.code === 'invalid_credentials'
        if (!wrong) await Promise.all([guesses.reward(key), guessesPerAddress.reward(network)])
        throw error
      })
      await Promise.all([guesses.delete(key), guessesPerAddress.reward(network)])
      return result
    },
    signUp: (address) => take(signUps, networkOf(address)),
  }
}

async function take(limiter: Limiter, key: string): Promise<void> {
  try {
    await limiter.consume(key)
  } catch (error) {
    if (error instanceof RateLimiterRes) throw new Fault('rate_limited', { retry_after_ms: error.msBeforeNext })
    throw new Fault('unavailable', { retry_after_ms: 1_000 }, error)
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
  return [...groups, ...rest].slice(0, 4).map((group) => parseInt(group, 16).toString(16)).join(':') // prettier-ignore
}
