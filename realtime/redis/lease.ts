// A lease in Redis. At most one node holds a lease, with one exception: a holder that was paused
// may believe for a moment that it still holds a lease which another node has taken. Everything
// that relies on a lease must tolerate such a moment. Each new holder gets a higher generation.
import type { Redis } from 'ioredis'

/**
 * KEYS: lease, generation. ARGV: node, time to live (ms), the highest generation known elsewhere.
 * Returns the new generation, or 0 if the node has lost the key that it has just set.
 */
const ACQUIRE = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
local generation = math.max(tonumber(redis.call('GET', KEYS[2]) or '0'), tonumber(ARGV[3])) + 1
redis.call('SET', KEYS[2], generation)
return generation`
const RENEW = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])`
const RELEASE = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])`

export interface RedisLease {
  /**
   * The generation under which this node holds the lease now. It is undefined if the node does not
   * hold the lease or has not renewed it in time.
   */
  heldGeneration(): number | undefined
  /**
   * Takes the lease if it is free and returns its generation, otherwise undefined. Rejects if Redis
   * does not answer.
   *
   * @param readFloor The new generation is higher than this one. It is read only if the lease is
   *   free, because all nodes try all leases again and again. If it rejects, so does `acquire`.
   */
  acquire(readFloor: () => Promise<number>): Promise<number | undefined>
  /**
   * Prolongs the lease. Returns false if this node no longer holds it. Rejects if Redis does not
   * answer.
   */
  renew(): Promise<boolean>
  /** Gives the lease up, so that no other node has to wait until it expires. Never rejects. */
  release(): Promise<void>
}

/**
 * @param key names the lease; with a hash tag, so that its generation is in the same slot of a
 *   Redis cluster
 * @param ttlMs time after which the lease of a dead holder is free
 */
export function createRedisLease(
  redis: Redis,
  key: string,
  node: string,
  ttlMs: number,
): RedisLease {
  const generationKey = `${key}:generation`
  let generation: number | undefined
  /** Counted from before each request, so that this node never believes in its lease too long. */
  let heldUntil = 0
  const giveUp = () => redis.eval(RELEASE, 1, key, node).catch(() => undefined)
  return {
    heldGeneration: () => (performance.now() < heldUntil ? generation : undefined),
    async acquire(readFloor) {
      // Nobody else can take the lease meanwhile, and this node doesn't act on it yet.
      if ((await redis.set(key, node, 'PX', ttlMs, 'NX')) === null) return undefined
      const floor = await readFloor().catch(async (error: unknown) => {
        await giveUp()
        throw error
      })
      const askedAt = performance.now()
      const answer = Number(await redis.eval(ACQUIRE, 2, key, generationKey, node, ttlMs, floor))
      if (answer === 0) return undefined
      heldUntil = askedAt + ttlMs
      return (generation = answer)
    },
    async renew() {
      const askedAt = performance.now()
      const renewed = Number(await redis.eval(RENEW, 1, key, node, ttlMs)) === 1
      heldUntil = renewed ? askedAt + ttlMs : 0
      return renewed
    },
    async release() {
      heldUntil = 0
      await giveUp()
    },
  }
}
