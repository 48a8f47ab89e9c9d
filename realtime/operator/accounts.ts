import { UsageError } from './command-line.ts'
import type { Caller } from '../log/entry.ts'
import type { Database } from '../store/database.ts'
import type { UserDocument } from '../store/documents.ts'
import { findUser, findUserByName } from '../store/users.ts'

/** Finds an account by id or username. Undefined: there is none, or it is being deleted. */
export async function findAccount(
  database: Database,
  name: string,
): Promise<UserDocument | undefined> {
  const user =
    (await findUser(database, name)) ?? (await findUserByName(database, name.toLowerCase()))
  return user && !user.closing ? user : undefined
}

/** Throws `UsageError` if no account has this name. */
export async function findExistingAccount(database: Database, name: string): Promise<UserDocument> {
  const user = await findAccount(database, name)
  if (!user) throw new UsageError(`There is no user ${name}`)
  return user
}

/** On behalf of a user, recorded in the log as the operator's change. */
export const asOperator = (user_id: string): Caller => ({
  user_id,
  session_id: null,
  device: 'Operator',
})
