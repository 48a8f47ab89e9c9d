// The list of conversations under headings: what is pinned, then by how long ago something was written.
import type { SummaryView } from '@lockstep/client/views'

export interface ListGroup {
  /** '' needs no heading. */
  heading: string
  items: SummaryView[]
}

const headingOf = (days: number): string => {
  if (days <= 0) return 'Today'
  if (days === 1) return 'Yesterday'
  if (days < 7) return 'This week'
  return days < 30 ? 'This month' : 'Older'
}

/** `items`: newest first; `daysAgo`: whole days since an ISO time. */
export function listGroups(
  items: readonly SummaryView[],
  daysAgo: (iso: string) => number,
): ListGroup[] {
  const pinned = items.filter(({ pinned }) => pinned)
  const groups: ListGroup[] = pinned.length > 0 ? [{ heading: 'Pinned', items: pinned }] : []
  for (const item of items) {
    if (item.pinned) continue
    const heading = headingOf(daysAgo(item.updated_at))
    const last = groups.at(-1)
    if (last?.heading === heading) last.items.push(item)
    else groups.push({ heading, items: [item] })
  }
  return groups
}
