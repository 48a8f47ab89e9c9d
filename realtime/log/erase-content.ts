import { topics } from '@lockstep/protocol/topics'
import { eraseDocuments } from '../store/account-entries.ts'
import type { Database } from '../store/database.ts'
import { logTopics } from './topic-table.ts'

/**
 * Removes everything of a user except the account's document, the heads and the `closed` entries.
 * Repeating this removes what a paused node has written meanwhile.
 */
export const eraseContent = (database: Database, user_id: string): Promise<void> =>
  eraseDocuments(
    database,
    user_id,
    topics.flatMap((topic) => logTopics[topic].collections),
  )
