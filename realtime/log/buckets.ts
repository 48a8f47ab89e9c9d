// Users are spread over buckets. Whatever is split between parts of a deployment, the leases of the
// feed and the addresses of Redis, is split by ranges of buckets.
import { createHash } from 'node:crypto'

/** Number of buckets. It never changes, because each entry of the log stores its bucket. */
export const BUCKETS = 1024

/** The bucket of a user, or of anything else that has a name. */
export const bucketOf = (name: string): number =>
  createHash('sha256').update(name).digest().readUInt32BE() % BUCKETS

/** Where share `index` begins if `count` shares split the buckets as equally as possible. */
export const shareStart = (index: number, count: number): number =>
  Math.round((index * BUCKETS) / count)

/** Which of `count` shares has the bucket of this name. */
export function shareOf(name: string, count: number): number {
  const bucket = bucketOf(name)
  const near = Math.floor((bucket * count) / BUCKETS)
  if (bucket < shareStart(near, count)) return near - 1
  return bucket < shareStart(near + 1, count) ? near : near + 1
}
