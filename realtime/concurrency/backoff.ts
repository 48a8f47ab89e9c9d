/**
 * Milliseconds to wait before the `attempt`-th repetition (from 1) of something that failed. The
 * bound starts at `firstMs` and doubles up to `longestMs`. The wait is a random part of the bound
 * ("full jitter"), so that nodes which failed at the same moment do not retry at the same moment.
 */
export const backoffMs = (
  attempt: number,
  [firstMs, longestMs]: readonly [firstMs: number, longestMs: number],
): number => Math.random() * Math.min(longestMs, firstMs * 2 ** (attempt - 1))
