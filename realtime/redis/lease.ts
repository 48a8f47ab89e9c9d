// A lease in Redis: at most one node holds it, but for the moment in which a paused holder hasn't noticed its loss, which everything
// that depends on it must bear. Its generation grows with each new holder.
import type { Redis } from 'ioredis'

/** KEYS lease, generation; ARGV node, ttl in ms, the highest generation known elsewhere. Gives the generation, 0 when it is taken. */
const ACQUIRE = `
if not redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return 0 end
local generation = math.max(tonumber(redis.call('GET', KEYS[2]) or '0'), tonumber(ARGV[3])) + 1
redis.call('SET', KEYS[2], generation)
return generation`
const RENEW = `if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end return 0`
const RELEASE = `if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0`

export interface Lease {
  /** The generation under which this node holds it now; undefined: it doesn't, or can't know. */
  held(): number | undefined
  /** Takes it when it is free. @param floor a generation that the new one must exceed. Rejects when Redis doesn't answer. */
  acquire(floor: number): Promise<number | undefined>
  /** Prolongs it; false: another has it, or nobody. Rejects when Redis doesn't answer. */
  renew(): Promise<boolean>
  /** Gives it up, so that another needn't wait. Never rejects. */
  release(): Promise<void>
}

/**
 * @param key what nodes compete for; with a hash tag, so that its generation is in the same slot of a cluster
 * @param ttlMs how long a holder that died keeps others waiting
 */
export function createLease(redis: Redis, key: string, node: string, ttlMs: number): Lease {
  const generationKey = `${key}:generation`
  let generation: number | undefined
  let until = 0
  return {
    held: () => (performance.now() < until ? generation : undefined),
    async acquire(floor) {
      const asked = performance.now()
      const answer = Number(await redis.eval(ACQUIRE, 2, key, generationKey, node, ttlMs, floor))
      if (answer === 0) return undefined
      until = asked + ttlMs
      return (generation = answer)
    },
    async renew() {
      const asked = performance.now()
      const renewed = Number(await redis.eval(RENEW, 1, key, node, ttlMs)) === 1
      until = renewed ? asked + ttlMs : 0
      return renewed
    },
    async release() {
      until = 0
      await redis.eval(RELEASE, 1, key, node).catch(() => undefined)
    },
  }
}
