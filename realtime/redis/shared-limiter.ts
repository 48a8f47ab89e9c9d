// Rate limits that count over all nodes. Redis never sees a name or an address: the limiter hashes
// both with a secret of the deployment. While Redis is away or does not answer, each node counts
// by itself, because a request must not wait for Redis.
import {
  RateLimiterMemory,
  RateLimiterRedis,
  type RateLimiterAbstract,
} from 'rate-limiter-flexible'
import type { ClusterLink } from './cluster-link.ts'

type Limiter = Pick<RateLimiterAbstract, 'consume' | 'reward' | 'delete' | 'get'>

/** Returns a function that creates the limiter of one rule: `points` per key within `seconds`. */
export function createSharedLimiter(
  link: Pick<ClusterLink, 'prefix' | 'commands' | 'isConnected' | 'pseudonymOf'>,
) {
  return (name: string, { points, seconds }: { points: number; seconds: number }): Limiter => {
    const local = new RateLimiterMemory({ keyPrefix: name, points, duration: seconds })
    const shared = new RateLimiterRedis({
      storeClient: link.commands,
      keyPrefix: `${link.prefix}:limit:${name}`,
      points,
      duration: seconds,
      rejectIfRedisNotReady: true,
      insuranceLimiter: local,
    })
    const current = () => (link.isConnected() ? shared : local)
    const { pseudonymOf } = link
    return {
      consume: (key, ...rest) => current().consume(pseudonymOf(key), ...rest),
      reward: (key, ...rest) => current().reward(pseudonymOf(key), ...rest),
      delete: (key, ...rest) => current().delete(pseudonymOf(key), ...rest),
      get: (key, ...rest) => current().get(pseudonymOf(key), ...rest),
    }
  }
}
