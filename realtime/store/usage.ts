// What users use in a day (UTC). The counters are in the database, so that they are exact across
// nodes. Without a quota nothing is counted but new names.
import { MongoServerError } from 'mongodb'
import type { Database } from './database.ts'
import type { UsageDocument } from './documents.ts'
import { idFilter } from './shard-key.ts'

export type Counted = 'runs' | 'tokens' | 'import_bytes' | 'renames'
/** The most of each in a day. Undefined: any number. */
export type DayLimits = { readonly [What in Counted]?: number | undefined }
export type DayUsage = Pick<UsageDocument, Counted>

const DAY_MS = 86_400_000
/** How long the counters of a day stay. */
const KEPT_MS = 3 * DAY_MS
const DUPLICATE_KEY = 11_000

const dayKey = (user_id: string, now: Date): string =>
  `${user_id}:${now.toISOString().slice(0, 10)}`
/** When the counters begin anew. */
export const endOfDay = (now: Date): Date => new Date(Math.ceil((+now + 1) / DAY_MS) * DAY_MS)

const expiry = (now: Date) => ({ expires_at: new Date(+now + KEPT_MS) })

export async function readDay({ usage }: Database, user_id: string, now: Date): Promise<DayUsage> {
  return (await usage.findOne(idFilter(dayKey(user_id, now)))) ?? {}
}

/** Counts `amount` more, or fewer. */
export async function countToday(
  { usage }: Database,
  user_id: string,
  what: Counted,
  amount: number,
  now: Date,
): Promise<void> {
  await usage.updateOne(
    idFilter(dayKey(user_id, now)),
    { $inc: { [what]: amount }, $setOnInsert: expiry(now) },
    { upsert: true },
  )
}

/**
 * Counts `amount` more. If that would exceed its limit, or another limit is reached, counts nothing
 * and returns which limit.
 */
export async function takeToday(
  database: Database,
  user_id: string,
  [what, amount]: readonly [Counted, number],
  limits: DayLimits,
  now: Date,
): Promise<Counted | undefined> {
  /** What counts as reached, before `amount` is added. */
  const given = (Object.entries(limits) as [Counted, number | undefined][]).flatMap(
    ([name, most]): [Counted, number][] =>
      most === undefined ? [] : [[name, name === what ? most - amount + 1 : most]],
  )
  const never = given.find(([, most]) => most <= 0)
  if (never) return never[0]
  const below = Object.fromEntries(given.map(([name, most]) => [name, { $not: { $gte: most } }]))
  for (;;) {
    try {
      await database.usage.updateOne(
        { ...idFilter(dayKey(user_id, now)), ...below },
        { $inc: { [what]: amount }, $setOnInsert: expiry(now) },
        { upsert: true },
      )
      return undefined
    } catch (error) {
      // there is a document, but it isn't below the limits; or another node has just inserted it
      if (!(error instanceof MongoServerError && error.code === DUPLICATE_KEY)) throw error
      const used = await readDay(database, user_id, now)
      const reached = given.find(([name, most]) => (used[name] ?? 0) >= most)
      if (reached) return reached[0]
    }
  }
}
