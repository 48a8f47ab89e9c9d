// Groups the list of conversations under headings: pinned conversations first, the others by age.
import type { SummaryView } from '@lockstep/client'
import { groupByHeading, type HeadedGroup } from '../../headed-groups.ts'
import type { TextKey } from '../../texts.ts'

type Heading = Extract<TextKey, `list.${string}`>

const ageHeading = (days: number): Heading => {
  if (days <= 0) return 'list.today'
  if (days === 1) return 'list.yesterday'
  if (days < 7) return 'list.thisWeek'
  return days < 30 ? 'list.thisMonth' : 'list.older'
}

/** Expects `items` with the newest first. `daysAgo` gives the whole days since an ISO time. */
export function groupConversations(
  items: readonly SummaryView[],
  daysAgo: (iso: string) => number,
): HeadedGroup<SummaryView, Heading>[] {
  const pinned = items.filter((item) => item.pinned)
  const unpinned = items.filter((item) => !item.pinned)
  const byAge = groupByHeading(unpinned, ({ updated_at }) => ageHeading(daysAgo(updated_at)))
  return pinned.length > 0 ? [{ heading: 'list.pinned', items: pinned }, ...byAge] : byAge
}
