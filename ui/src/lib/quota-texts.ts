// The names of quotas, and how much of a quota is used.
import type { Quota } from '@lockstep/protocol/usage'
import { t, type TextKey } from './texts.ts'

const names: Record<Quota['name'], TextKey> = {
  conversations: 'usage.conversations',
  devices: 'usage.devices',
  bytes: 'usage.bytes',
  runs_day: 'usage.runsDay',
  tokens_day: 'usage.tokensDay',
  import_bytes_day: 'usage.importBytesDay',
}

export const quotaName = (name: Quota['name']): string => t(names[name])

/** Rounded down, so that 100 means that nothing is left. */
export const percentOf = ({ used, limit }: Quota): number =>
  limit === 0 ? 100 : Math.floor((used / limit) * 100)

export const isInBytes = (name: Quota['name']): boolean => name.includes('bytes')
