// How deliveries behave. Tests have shorter times.
export interface WebhookSettings {
  /** The longest that an attempt may take. The times are in ms. */
  attemptMs: number
  /** The first and the longest wait after failed attempts; it doubles in between. */
  retryMs: readonly [first: number, longest: number]
  /** After failing for this long, a delivery is tried rarely, and the operator is told. */
  rareAfterMs: number
  rareMs: number
  /** How often the operator is told again. */
  reportMs: number
  /** How long the lease of a node that died keeps the others waiting; how often it is renewed. */
  leaseMs: number
  renewMs: number
  /** Deliveries to one webhook that are on their way; how many of them may have failed before. */
  concurrency: number
  retrying: number
  /** The bytes of content that are held for one webhook; a larger change comes alone. */
  bytes: number
}

const [SECOND, MINUTE, HOUR] = [1_000, 60_000, 3_600_000]

export const webhookSettings: WebhookSettings = {
  attemptMs: 10 * SECOND,
  retryMs: [SECOND, 5 * MINUTE],
  rareAfterMs: 24 * HOUR,
  rareMs: HOUR,
  reportMs: HOUR,
  leaseMs: 6 * SECOND,
  renewMs: 2 * SECOND,
  concurrency: 8,
  retrying: 4,
  bytes: 2 * 1024 * 1024,
}

/** How long a delivery waits after its `tries`-th failed attempt in a row. */
export function waitAfter(
  { retryMs: [first, longest], rareAfterMs, rareMs }: WebhookSettings,
  { tries, failingMs }: { tries: number; failingMs: number },
): number {
  if (failingMs >= rareAfterMs) return rareMs
  return Math.min(longest, first * 2 ** Math.min(tries - 1, 30))
}
