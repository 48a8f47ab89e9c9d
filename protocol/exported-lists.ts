import type { Topic } from './topics.ts'

/**
 * The list of an export that has what a topic holds. Null: the export has it outside of its
 * lists, as `preferences` and `user`. A list here demands its writer (realtime/commands/export.ts)
 * and its reader (realtime/imports/sources/lockstep.ts).
 */
const listOfTopic = {
  conversations: 'conversations',
  preferences: null,
  agents: 'agent_runs',
  account: null,
  records: 'records',
} as const satisfies Record<Topic, string | null>

/** Drafts are in no topic. */
export type ExportedList = Exclude<(typeof listOfTopic)[Topic], null> | 'drafts'

/** The lists of an export, in its order. */
export const exportedLists: readonly ExportedList[] = [
  ...Object.values(listOfTopic).filter((name) => name !== null),
  'drafts',
]
