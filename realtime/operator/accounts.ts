import { findUser, findUserByName, type UserDocument } from '../store/users.ts'
import type { Database } from '../store/database.ts'
import type { Caller } from '../log/entry.ts'

/** The account with this id or username; undefined when there is none, or it is being deleted. */
export async function findAccount(
  database: Database,
  name: string,
): Promise<UserDocument | undefined> {
  const user =
    (await findUser(database, name)) ?? (await findUserByName(database, name.toLowerCase()))
  return user && !user.closing ? user : undefined
}

/** How the log names an operator. */
export const asOperator = (user_id: string): Caller => ({
  user_id,
  session_id: null,
  device: 'Operator',
})
