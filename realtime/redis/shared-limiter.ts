// Rate limits that count over all nodes, each key in the Redis that it belongs to. Redis never sees
// a name or an address: the limiter hashes both with a secret of the deployment. While Redis is
// away or does not answer, each node counts by itself, because a request must not wait for Redis.
import {
  RateLimiterMemory,
  RateLimiterRedis,
  type RateLimiterAbstract,
} from 'rate-limiter-flexible'
import type { ClusterLink } from './cluster-link.ts'
import type { DeploymentMessages } from './deployment-messages.ts'

type Limiter = Pick<RateLimiterAbstract, 'consume' | 'reward' | 'delete' | 'get'>

type LimiterLink = Pick<ClusterLink, 'commands' | 'isConnected'>
export interface LimiterLinks {
  all: readonly LimiterLink[]
  of(name: string): LimiterLink
  messages: Pick<DeploymentMessages, 'prefix' | 'pseudonymOf'>
}

/** Returns a function that creates the limiter of one rule: `points` per key within `seconds`. */
export function createSharedLimiter({ all, of, messages }: LimiterLinks) {
  return (name: string, { points, seconds }: { points: number; seconds: number }): Limiter => {
    const local = new RateLimiterMemory({ keyPrefix: name, points, duration: seconds })
    const sharedThrough = (link: LimiterLink) =>
      new RateLimiterRedis({
        storeClient: link.commands,
        keyPrefix: `${messages.prefix}:limit:${name}`,
        points,
        duration: seconds,
        rejectIfRedisNotReady: true,
        insuranceLimiter: local,
      })
    const shared = new Map(all.map((link) => [link, sharedThrough(link)]))
    const limiterOf = (key: string) => (of(key).isConnected() && shared.get(of(key))) || local
    const on = <Result>(key: string | number, act: (limiter: Limiter, key: string) => Result) => {
      const pseudonym = messages.pseudonymOf(key)
      return act(limiterOf(pseudonym), pseudonym)
    }
    return {
      consume: (key, ...rest) =>
        on(key, (limiter, pseudonym) => limiter.consume(pseudonym, ...rest)),
      reward: (key, ...rest) => on(key, (limiter, pseudonym) => limiter.reward(pseudonym, ...rest)),
      delete: (key, ...rest) => on(key, (limiter, pseudonym) => limiter.delete(pseudonym, ...rest)),
      get: (key, ...rest) => on(key, (limiter, pseudonym) => limiter.get(pseudonym, ...rest)),
    }
  }
}
