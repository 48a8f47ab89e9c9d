// Rate limits that count for all nodes together. While Redis is away, or doesn't answer, each node counts by itself: a request must not
// wait for Redis.
import {
  RateLimiterMemory,
  RateLimiterRedis,
  type RateLimiterAbstract,
} from 'rate-limiter-flexible'
import type { Link } from './link.ts'

/** What is used of a limiter. */
type Limiter = Pick<RateLimiterAbstract, 'consume' | 'reward' | 'delete' | 'get'>

/** Makes the shared counter of one rule. */
export function sharedLimiter(link: Pick<Link, 'prefix' | 'publisher' | 'hears'>) {
  return (name: string, { points, seconds }: { points: number; seconds: number }): Limiter => {
    const alone = new RateLimiterMemory({ keyPrefix: name, points, duration: seconds })
    const shared = new RateLimiterRedis({
      storeClient: link.publisher,
      keyPrefix: `${link.prefix}:limit:${name}`,
      points,
      duration: seconds,
      rejectIfRedisNotReady: true,
      insuranceLimiter: alone,
    })
    const present = () => (link.hears() ? shared : alone)
    return {
      consume: (key, ...rest) => present().consume(key, ...rest),
      reward: (key, ...rest) => present().reward(key, ...rest),
      delete: (key, ...rest) => present().delete(key, ...rest),
      get: (key, ...rest) => present().get(key, ...rest),
    }
  }
}
