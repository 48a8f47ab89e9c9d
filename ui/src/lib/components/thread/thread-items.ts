// The rows of a thread: its messages and a line where another day begins.
import type { PathEntry } from './thread-path.ts'

export type ThreadItem =
  | { kind: 'day'; key: string; at: string }
  | { kind: 'message'; key: string; entry: PathEntry; first: boolean }

const dayOf = (iso: string): string => {
  const at = new Date(iso)
  return `${at.getFullYear()}-${at.getMonth()}-${at.getDate()}`
}

/** Rows with stable keys: all versions of a message share one, so that the row stays in place when another is picked. */
export function threadItems(path: readonly PathEntry[]): ThreadItem[] {
  const items: ThreadItem[] = []
  let day: string | undefined
  for (const entry of path) {
    const { created_at } = entry.message
    const today = dayOf(created_at)
    if (today !== day)
      items.push({ kind: 'day', key: `day ${today} ${entry.versions[0]!}`, at: created_at })
    day = today
    items.push({ kind: 'message', key: entry.versions[0]!, entry, first: items.length <= 1 })
  }
  return items
}
