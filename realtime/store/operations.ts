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

/** The account is deleted: what was done stays known, but not to whom. */
export async function forgetOperationsOf({ operations }: Database, user_id: string): Promise<void> {
  await operations.updateMany({ user_id }, { $unset: { user_id: 1, username: 1 } })
}
