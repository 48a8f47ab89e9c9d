// Makes the database's files forget what was deleted. Deleting a document leaves its text in the
// oplog and in the files.
import { MongoServerError } from 'mongodb'
import type { Database } from './database.ts'

/** The databases that have no such command. */
const withoutCommand = new WeakSet<Database>()

/**
 * Asks the embedded database to erase from its files what has been deleted until now. Other servers
 * don't know the command: docs/operating.md says what MongoDB keeps, and for how long.
 */
export async function eraseDeleted(database: Database): Promise<void> {
  if (withoutCommand.has(database)) return
  try {
    await database.client.db('admin').command({ eraseDeleted: 1 })
  } catch (error) {
    if (!(error instanceof MongoServerError) || error.hasErrorLabel('RetryableWriteError'))
      throw error
    withoutCommand.add(database)
  }
}
