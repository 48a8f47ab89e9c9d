// Inserts changes as the log does, without the log.
import { newId } from '@lockstep/protocol/ids'
import { toEntry } from '../../realtime/log/entry.ts'
import { openDatabase, type Database } from '../../realtime/store/database.ts'

/** Opens a database that is closed when it goes out of scope. */
export async function openTestDatabase(url: string) {
  const database = await openDatabase(url)
  return { database, [Symbol.asyncDispose]: () => database.close() }
}

export async function insertChange(
  database: Database,
  user_id: string,
  seq: number,
): Promise<void> {
  const caller = { user_id, session_id: null, device: 'test' }
  const position = { topic: 'preferences' as const, epoch: 'e', seq, at: new Date() }
  const identity = { mutation_id: newId(), fingerprint: '' }
  const decision = {
    op: 'updated',
    entity_id: user_id,
    version: seq + 1,
    data: { patch: { theme: String(seq) } },
  }
  await database.changes.insertOne(toEntry(caller, position, identity, decision))
}
