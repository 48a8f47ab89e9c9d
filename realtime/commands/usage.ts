// What a user has used of what is limited, so that a person hears of a limit before it is reached.
import { limits as wireLimits } from '@lockstep/protocol/limits'
import type { Quota, Usage } from '@lockstep/protocol/usage'
import type { Log } from '../log/log.ts'
import { storedBytesOf } from '../log/storage-quota.ts'
import { countConversations } from '../store/conversations.ts'
import type { Database } from '../store/database.ts'
import type { Counted } from '../store/usage.ts'
import type { DailyQuota } from './daily-quota.ts'

export interface UsageUseCases {
  get(user_id: string): Promise<Usage>
}

export interface UsageDeps {
  database: Database
  log: Pick<Log, 'projectToHead'>
  dailyQuota: DailyQuota
  /** Default: what the contract says. */
  conversationsPerUser: number | undefined
  /** Undefined: any number. */
  quotaBytes: number | undefined
  /** The models that users may name. Undefined: any. */
  allowedModels: ReadonlySet<string> | undefined
  /** The devices of a user on this node, and the most that there may be. */
  devices: { most: number; of: (user_id: string) => number }
}

const daily: Record<Exclude<Counted, 'renames'>, Quota['name']> = {
  runs: 'runs_day',
  tokens: 'tokens_day',
  import_bytes: 'import_bytes_day',
}

export const createUsage = ({
  database,
  log,
  dailyQuota,
  conversationsPerUser = wireLimits.conversationsPerUser,
  quotaBytes,
  allowedModels,
  devices,
}: UsageDeps): UsageUseCases => ({
  async get(user_id) {
    await log.projectToHead(user_id, 'conversations')
    const quotas: Quota[] = [
      {
        name: 'conversations',
        used: await countConversations(database, user_id),
        limit: conversationsPerUser,
        resets_at: null,
      },
      { name: 'devices', used: devices.of(user_id), limit: devices.most, resets_at: null },
    ]
    if (quotaBytes !== undefined)
      quotas.push({
        name: 'bytes',
        used: await storedBytesOf(database, user_id),
        limit: quotaBytes,
        resets_at: null,
      })
    const { used, limits, resets_at } = await dailyQuota.today(user_id)
    for (const [counted, name] of Object.entries(daily) as [keyof typeof daily, Quota['name']][]) {
      const limit = limits[counted]
      if (limit !== undefined)
        quotas.push({
          name,
          used: Math.max(0, used[counted] ?? 0),
          limit,
          resets_at: resets_at.toISOString(),
        })
    }
    return { quotas, ...(allowedModels && { models: [...allowedModels] }) }
  },
})
