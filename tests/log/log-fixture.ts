// Several nodes' logs on one database, without the rest of a node: each has the log and the
// conversations' use cases.
import { newId } from '@lockstep/protocol/ids'
import { createConversations, type Conversations } from '../../realtime/commands/conversations.ts'
import type { CommandContext } from '../../realtime/log/entry.ts'
import { createLogger } from '../../realtime/observability/logger.ts'
import { createLog, type Log } from '../../realtime/log/log.ts'
import { ensureIndexes, openDatabase, type Database } from '../../realtime/store/database.ts'
import { freshDatabase } from '../harness/database.ts'

export const logger = createLogger('silent')

export interface LogNode {
  log: Log
  conversations: Conversations
}

export interface LogFixture extends AsyncDisposable {
  database: Database
  /** Another node's log: it shares nothing but the database. */
  node(): LogNode
  /** A user with empty logs. */
  user(): Promise<string>
}

export async function createLogFixture(): Promise<LogFixture> {
  const stack = new AsyncDisposableStack()
  const fresh = stack.use(freshDatabase())
  const database = stack.adopt(await openDatabase(fresh.url), (open) => open.close())
  await ensureIndexes(database)
  const node = (): LogNode => {
    const log = stack.adopt(createLog(database, logger), (open) => open.stop())
    return { log, conversations: createConversations(database, log) }
  }
  const first = node()
  const user = async () => {
    const id = newId()
    await first.log.create(id)
    return id
  }
  return { database, node, user, [Symbol.asyncDispose]: () => stack.disposeAsync() }
}

/** The context of a command of the user. */
export const by = (user_id: string, mutation_id = newId()): CommandContext => ({
  user_id,
  session_id: null,
  device: 'test',
  mutation_id,
})

export const entriesOf = ({ changes }: Database, user_id: string) =>
  changes.find({ user_id }).sort({ _id: 1 }).toArray()
