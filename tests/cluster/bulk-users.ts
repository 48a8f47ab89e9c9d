// Creates many users at once. Their accounts and sessions are written to the database as a sign-up
// does, except for the passwords: hashing them would take longer than everything to be measured.
import type { Session, User } from '@lockstep/protocol/account'
import { newId } from '@lockstep/protocol/ids'
import { createSessions } from '../../realtime/auth/sessions.ts'
import { createLogger } from '../../realtime/observability/logger.ts'
import { createLog } from '../../realtime/log/log.ts'
import { openDatabase } from '../../realtime/store/database.ts'
import { insertUser } from '../../realtime/store/users.ts'
import { Person } from '../harness/person.ts'

/** Settings of the nodes that serve these users. */
export const bulkUsersEnv = { SESSION_SECRET: 'a secret that is only used for the users of tests' }
const AT_ONCE = 50

/** @param nodeUrl the address of the node that the user with this index talks to */
export async function createUsers(
  databaseUrl: string,
  count: number,
  nodeUrl: (index: number) => string,
): Promise<Person[]> {
  const database = await openDatabase(databaseUrl)
  const logger = createLogger('silent')
  const log = createLog(database, logger)
  const sessions = createSessions({ database, secrets: [bulkUsersEnv.SESSION_SECRET], logger })
  const createUser = async (index: number): Promise<Person> => {
    const _id = newId()
    const at = new Date()
    const user: User = { id: _id, username: `bulk-user-${_id}`, created_at: at.toISOString() }
    const { username } = user
    const unused = {
      password_hash: '',
      preferences: {},
      preferences_version: 1,
      preferences_seq: 0,
      version: 1,
    }
    await Promise.all([
      log.create(_id),
      insertUser(database, { _id, username, ...unused, created_at: at }),
    ])
    const opened = await sessions.open(_id, { device: 'test', address: '127.0.0.1' })
    const session: Session = { id: opened._id, device: opened.device, created_at: at.toISOString() }
    const [cookie] = (await sessions.cookie.issue(opened._id, false)).split(';')
    return new Person(nodeUrl(index), { user, session }, cookie!, '')
  }
  try {
    return await inBatches(count, createUser)
  } finally {
    await log.stop()
    await database.close()
  }
}

/** Calls `act` for each index below `count`, some tens at a time. Returns the results in order. */
export async function inBatches<T>(
  count: number,
  act: (index: number) => Promise<T>,
): Promise<T[]> {
  const results: T[] = []
  for (let from = 0; from < count; from += AT_ONCE) {
    const size = Math.min(AT_ONCE, count - from)
    results.push(...(await Promise.all(Array.from({ length: size }, (_, i) => act(from + i)))))
  }
  return results
}
