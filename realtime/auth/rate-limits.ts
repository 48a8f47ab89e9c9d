// Limits how often passwords may be guessed and accounts be made. A guess takes its point before
// the password is checked, so guessing in parallel gains nothing. A right password gives the point
// back, and a guess that finds no point left waits for guesses that may still give theirs back.
// Other people's guesses can lock an account's owner out only at addresses where the owner hasn't
// signed in lately.
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
  /** Wrong passwords for one account, from all addresses at which it isn't known. */
  guessesPerAccount: RateLimitRule
  /** Wrong passwords from one address, for all accounts that aren't known there. */
  guessesPerAddress: RateLimitRule
  /** The same from one site, whose holder has many addresses. Only IPv6 has sites. */
  guessesPerSite: RateLimitRule
  /** Wrong codes of the second step of one account: whoever guesses them knows the password. */
  codes: RateLimitRule
  /** New accounts from one address. */
  signUps: RateLimitRule
  /** The same from one site. */
  signUpsPerSite: RateLimitRule
  /** An account is known at an address for this long after a sign-in there. */
  known: Pick<RateLimitRule, 'seconds'>
}

/**
 * A site may do as much as so many addresses: it may be an office of many people, or one attacker
 * with 65,536 networks.
 */
export const SITE_SHARES = 10

const defaultRules: RateLimitRules = {
  guesses: { points: 10, seconds: 15 * 60 },
  guessesPerAccount: { points: 50, seconds: 15 * 60 },
  guessesPerAddress: { points: 100, seconds: 15 * 60 },
  guessesPerSite: { points: 100 * SITE_SHARES, seconds: 15 * 60 },
  codes: { points: 10, seconds: 60 * 60 },
  signUps: { points: 1_000, seconds: 60 * 60 },
  signUpsPerSite: { points: 1_000 * SITE_SHARES, seconds: 60 * 60 },
  known: { seconds: 14 * 24 * 60 * 60 },
}

/** Counts points by key. `consume` rejects with a `RateLimiterRes` if the key has none left. */
export type Limiter = Pick<RateLimiterAbstract, 'consume' | 'reward' | 'delete' | 'get'>

/**
 * Makes the counter of one rule. Each rule has its own `name`. With several nodes, it counts in
 * Redis.
 */
export type LimiterFactory = (name: string, rule: RateLimitRule) => Limiter

const inMemory: LimiterFactory = (keyPrefix, { points, seconds }) =>
  new RateLimiterMemory({ keyPrefix, points, duration: seconds })

export interface RateLimits {
  /**
   * Runs `check`, which throws `invalid_credentials` for a wrong password. Throws `rate_limited`
   * without running it if there have been too many wrong passwords.
   * @param signedIn the request comes from a signed-in device of the account, so the guesses of
   * other people don't count
   */
  checkPassword<T>(
    account: string,
    address: string,
    check: () => Promise<T>,
    signedIn?: boolean,
  ): Promise<T>
  /**
   * Like `checkPassword`, for the codes of an account's second step. A right code doesn't clear the
   * wrong ones: a code that was read over somebody's shoulder must not allow a new round of
   * guesses.
   */
  checkCode<T>(user_id: string, check: () => Promise<T>): Promise<T>
  /** Makes the account known at the address. Call it after its owner has authenticated there. */
  rememberAddress(account: string, address: string): Promise<void>
  /** Throws `rate_limited` if too many accounts have been made from the address. */
  countSignUp(address: string): Promise<void>
}

export function createRateLimits(
  rules: Partial<RateLimitRules> = {},
  createLimiter: LimiterFactory = inMemory,
): RateLimits {
  const all = { ...defaultRules, ...rules }
  const { guesses, guessesPerAccount, guessesPerAddress, codes, signUps, known } = all
  const perSite = new Attempts(createLimiter('guesses-per-site', all.guessesPerSite))
  const siteSignUpLimiter = createLimiter('sign-ups-per-site', all.signUpsPerSite)
  const perPair = new Attempts(createLimiter('guesses', guesses))
  const perAccount = new Attempts(createLimiter('guesses-per-account', guessesPerAccount))
  const perAddress = new Attempts(createLimiter('guesses-per-address', guessesPerAddress))
  const perCodes = new Attempts(createLimiter('codes', codes))
  const signUpLimiter = createLimiter('sign-ups', signUps)
  const knownPairs = createLimiter('known', {
    points: Number.MAX_SAFE_INTEGER,
    seconds: known.seconds,
  })

  async function rememberPair(pair: string): Promise<void> {
    // a lost pair only makes the limits stricter
    await knownPairs.consume(pair).catch(() => undefined)
  }

  return {
    async checkPassword(account, address, check, signedIn = false) {
      const { name, network, pair } = keysOf(account, address)
      const isKnown = signedIn || (await knownPairs.get(pair).catch(() => null)) !== null
      const counted: [Attempts, string][] = [[perPair, pair]]
      const site = siteOf(address)
      if (!isKnown) counted.push([perAccount, name], [perAddress, network])
      if (!isKnown && site !== undefined) counted.push([perSite, site])
      const begun: Attempt[] = []
      let wrong = false
      try {
        for (const [attempts, key] of counted) begun.push(await attempts.begin(key))
        const result = await check()
        begun[0]!.forgetEarlier()
        await rememberPair(pair)
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
    async checkCode(user_id, check) {
      const attempt = await perCodes.begin(user_id)
      let wrong = false
      try {
        return await check()
      } catch (error) {
        wrong = error instanceof Fault && error.code === 'invalid_credentials'
        throw error
      } finally {
        await attempt.end(wrong)
      }
    },
    rememberAddress: (account, address) => rememberPair(keysOf(account, address).pair),
    async countSignUp(address) {
      const site = siteOf(address)
      const refusal =
        (await takePoint(signUpLimiter, networkOf(address))) ??
        (site === undefined ? undefined : await takePoint(siteSignUpLimiter, site))
      if (refusal) throw refusal
    },
  }
}

function keysOf(account: string, address: string) {
  const [name, network] = [account.slice(0, 100), networkOf(address)]
  return { name, network, pair: `${name}|${network}` }
}

interface Attempt {
  /** The password was right, so earlier wrong ones of this key don't count any more. */
  forgetEarlier(): void
  /** Ends the attempt. It keeps its point only if the password was wrong. */
  end(wrong: boolean): Promise<void>
}

/** The attempts of one key that this node is making. */
interface KeyState {
  /** Attempts that hold a point and haven't ended. */
  running: number
  /** Attempts that have ended. */
  ended: number
  /** Wakes the attempts that wait for the end of another. */
  waiting: (() => void)[]
  /** Attempts of any kind; at 0 the state is forgotten. */
  users: number
}

/** Attempts that take a point of their key while they run. */
class Attempts {
  readonly #limiter: Limiter
  readonly #keys = new Map<string, KeyState>()

  constructor(limiter: Limiter) {
    this.#limiter = limiter
  }

  /** Takes a point. Waits as long as a running attempt may give one back. Throws `rate_limited`. */
  async begin(key: string): Promise<Attempt> {
    const state = this.#keys.get(key) ?? { running: 0, ended: 0, waiting: [], users: 0 }
    this.#keys.set(key, state)
    state.users++
    for (;;) {
      const { ended } = state
      const refusal = await takePoint(this.#limiter, key)
      if (!refusal) break
      // an attempt that ended during the call may have given its point back just after the refusal
      if (state.ended !== ended) continue
      if (state.running === 0) {
        this.#leave(key, state)
        throw refusal
      }
      await new Promise<void>((resolve) => state.waiting.push(resolve))
    }
    state.running++
    return this.#attempt(key, state)
  }

  #attempt(key: string, state: KeyState): Attempt {
    let forgets = false
    return {
      forgetEarlier: () => void (forgets = true),
      end: async (wrong) => {
        try {
          // a delete would also remove the points of other running attempts, which give back their
          // own
          if (forgets && state.running === 1) await this.#limiter.delete(key)
          else if (!wrong) await this.#limiter.reward(key)
        } finally {
          state.running--
          state.ended++
          this.#leave(key, state)
        }
      },
    }
  }

  /** Wakes one waiting attempt. It tries again; if it is refused too, it wakes the next one. */
  #leave(key: string, state: KeyState): void {
    state.waiting.shift()?.()
    if (--state.users === 0) this.#keys.delete(key)
  }
}

/** Takes a point and resolves to undefined, or resolves to the refusal and takes none. */
async function takePoint(limiter: Limiter, key: string): Promise<Fault | undefined> {
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

/**
 * The part of an address that one person has: an IPv4 address, or the first 64 bits of an IPv6 one.
 */
export const networkOf = (address: string): string => firstGroups(address, 4)

/**
 * The first 48 bits of an IPv6 address, the most that providers give to one customer. Undefined for
 * IPv4, where an address is scarce.
 */
export const siteOf = (address: string): string | undefined => {
  const site = firstGroups(address, 3)
  return site.includes(':') ? site : undefined
}

function firstGroups(address: string, count: number): string {
  const plain = address.replace(/^::ffff:(?=\d+\.)/i, '').replace(/%.*$/, '')
  if (!isIPv6(plain)) return plain
  const [head = '', tail] = plain.split('::')
  const groups = head.split(':').filter(Boolean)
  const rest = tail?.split(':').filter(Boolean) ?? []
  while (tail !== undefined && groups.length + rest.length < 8) groups.push('0')
  return [...groups, ...rest]
    .slice(0, count)
    .map((group) => parseInt(group, 16).toString(16))
    .join(':')
}
