// What a user may use in a day (UTC). The counters are in the database, so that they are exact
// whichever node is asked. Use without a limit isn't counted and costs nothing.
import { Fault } from '@lockstep/protocol/errors'
import type { Logger } from '../observability/logger.ts'
import type { Database } from '../store/database.ts'
import {
  countToday,
  endOfDay,
  readDay,
  takeToday,
  type Counted,
  type DayLimits,
  type DayUsage,
} from '../store/usage.ts'

export interface DailyQuota {
  /** Counts a run or a reply that begins. Resolves to the refusal if a limit is reached. */
  beginRun(user_id: string): Promise<Fault | undefined>
  /** Takes back the count of a run that `beginRun` has counted and that did not begin after all. */
  giveRunBack(user_id: string): Promise<void>
  /** Counts what a reply has used. Never rejects. */
  noteTokens(user_id: string, tokens: number): Promise<void>
  /** What an import may have at most. Undefined: no limit. */
  importLimit(user_id: string): Promise<ImportLimit | undefined>
  /** Counts an import. Throws `rate_limited` if it is larger than what is left of today. */
  beginImport(user_id: string, bytes: number): Promise<void>
  /** What has been used today, and when the counters begin anew. */
  today(user_id: string): Promise<{ used: DayUsage; limits: DayLimits; resets_at: Date }>
}

interface ImportLimit {
  /** What is left of today. */
  bytes: number
  /** The refusal of a larger import. */
  exceeded(): Fault
}

const limitTexts: Record<Counted, (most: number) => string> = {
  runs: (most) => `You have used your ${most} replies and runs of today`,
  tokens: (most) => `Your replies have used the ${most} tokens of today`,
  import_bytes: (most) =>
    `This is more than what is left of the ${most} bytes that you may import today`,
  renames: (most) => `You have changed the name ${most} times today`,
}

export function dayRefusal(reached: Counted, most: number, time: Date): Fault {
  const retry_after_ms = +endOfDay(time) - +time
  const hours = Math.ceil(retry_after_ms / 3_600_000)
  return new Fault('rate_limited', {
    detail: `${limitTexts[reached](most)}: go on in ${hours === 1 ? 'an hour' : `${hours} hours`}`,
    retry_after_ms,
  })
}

export function createDailyQuota(
  database: Database,
  limits: DayLimits,
  { logger, now = () => new Date() }: { logger: Logger; now?: () => Date },
): DailyQuota {
  const { runs, tokens, import_bytes } = limits
  const hasRunLimits = runs !== undefined || tokens !== undefined

  const refusal = (reached: Counted, time: Date) => dayRefusal(reached, limits[reached] ?? 0, time)

  async function take(user_id: string, what: Counted, amount: number, given: DayLimits) {
    const time = now()
    const reached = await takeToday(database, user_id, [what, amount], given, time)
    return reached && refusal(reached, time)
  }

  return {
    beginRun: async (user_id) =>
      hasRunLimits ? take(user_id, 'runs', 1, { runs, tokens }) : undefined,

    async giveRunBack(user_id) {
      if (hasRunLimits) await countToday(database, user_id, 'runs', -1, now())
    },

    async noteTokens(user_id, count) {
      if (tokens === undefined || count === 0) return
      await countToday(database, user_id, 'tokens', count, now()).catch((error: unknown) =>
        logger.warn({ err: error, user_id }, 'the tokens of a reply could not be counted'),
      )
    },

    async importLimit(user_id) {
      if (import_bytes === undefined) return undefined
      const time = now()
      const used = (await readDay(database, user_id, time)).import_bytes ?? 0
      return { bytes: import_bytes - used, exceeded: () => refusal('import_bytes', time) }
    },

    async beginImport(user_id, bytes) {
      if (import_bytes === undefined) return
      const refused = await take(user_id, 'import_bytes', bytes, { import_bytes })
      if (refused) throw refused
    },

    async today(user_id) {
      const time = now()
      const isCounted = Object.values(limits).some((most) => most !== undefined)
      const used = isCounted ? await readDay(database, user_id, time) : {}
      return { used, limits, resets_at: endOfDay(time) }
    },
  }
}
