// The operators' audit: what was done to accounts by command. It outlives the accounts, without
// their names.
import type { Database } from './database.ts'
import type { OperationDocument } from './documents.ts'

export async function insertOperation(
  { operations }: Database,
  operation: OperationDocument,
): Promise<void> {
  await operations.insertOne(operation)
}

/** Oldest first. */
export const listOperations = ({ operations }: Database) => operations.find().sort({ _id: 1 })

/** Removes a deleted account's name from the audit. The operations themselves stay. */
export async function forgetOperationsOf({ operations }: Database, user_id: string): Promise<void> {
  await operations.updateMany({ user_id }, { $unset: { user_id: 1, username: 1 } })
}
