// Groups the list of conversations under headings: pinned conversations first, the others by age.
import type { SummaryView } from '@lockstep/client'
import { groupByHeading, type HeadedGroup } from '../../headed-groups.ts'

const ageHeading = (days: number): string => {
  if (days <= 0) return 'Today'
  if (days === 1) return 'Yesterday'
  if (days < 7) return 'This week'
  return days < 30 ? 'This month' : 'Older'
}

/** Expects `items` with the newest first. `daysAgo` gives the whole days since an ISO time. */
export function groupConversations(
  items: readonly SummaryView[],
  daysAgo: (iso: string) => number,
): HeadedGroup<SummaryView>[] {
  const pinned = items.filter((item) => item.pinned)
  const unpinned = items.filter((item) => !item.pinned)
  const byAge = groupByHeading(unpinned, ({ updated_at }) => ageHeading(daysAgo(updated_at)))
  return pinned.length > 0 ? [{ heading: 'Pinned', items: pinned }, ...byAge] : byAge
}
