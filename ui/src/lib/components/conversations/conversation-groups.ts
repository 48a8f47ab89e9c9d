// Groups the list of conversations under headings: pinned conversations first, the others by age.
import type { SummaryView } from '@lockstep/client/views'

export interface ConversationGroup {
  /** Empty for a group without a heading. */
  heading: string
  items: SummaryView[]
}

const headingOf = (days: number): string => {
  if (days <= 0) return 'Today'
  if (days === 1) return 'Yesterday'
  if (days < 7) return 'This week'
  return days < 30 ? 'This month' : 'Older'
}

/** Expects `items` with the newest first. `daysAgo` gives the whole days since an ISO time. */
export function groupConversations(
  items: readonly SummaryView[],
  daysAgo: (iso: string) => number,
): ConversationGroup[] {
  const pinned = items.filter(({ pinned }) => pinned)
  const groups: ConversationGroup[] =
    pinned.length > 0 ? [{ heading: 'Pinned', items: pinned }] : []
  for (const item of items) {
    if (item.pinned) continue
    const heading = headingOf(daysAgo(item.updated_at))
    const last = groups.at(-1)
    if (last?.heading === heading) last.items.push(item)
    else groups.push({ heading, items: [item] })
  }
  return groups
}
