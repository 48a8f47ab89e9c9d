// The rows of a thread: its messages, and a line wherever a new day begins.
import type { VersionedMessage } from './thread-branch.ts'

export type ThreadItem =
  { kind: 'day'; key: string; at: string } | ({ kind: 'message'; key: string } & VersionedMessage)

const dayOf = (iso: string): string => {
  const at = new Date(iso)
  return `${at.getFullYear()}-${at.getMonth()}-${at.getDate()}`
}

/**
 * The rows of a branch. All versions of a message share one key, so the row stays in place when
 * another version is shown.
 */
export function threadItems(branch: readonly VersionedMessage[]): ThreadItem[] {
  const items: ThreadItem[] = []
  let day: string | undefined
  for (const { message, versions } of branch) {
    const { created_at } = message
    const messageDay = dayOf(created_at)
    if (messageDay !== day)
      items.push({ kind: 'day', key: `day ${messageDay} ${versions[0]!}`, at: created_at })
    day = messageDay
    items.push({ kind: 'message', key: versions[0]!, message, versions })
  }
  return items
}
