// Accounts and sessions as clients see them.
import type { Session, User } from '@lockstep/protocol/account'
import type { SessionDocument, UserDocument } from '../store/documents.ts'

export const toUser = ({ _id, username, created_at, password_hash }: UserDocument): User => ({
  id: _id,
  username,
  created_at: created_at.toISOString(),
  ...(password_hash === undefined && { passwordless: true }),
})
export const toSession = ({
  _id,
  device,
  created_at,
  address,
  host,
}: SessionDocument): Session => ({
  id: _id,
  device,
  created_at: created_at.toISOString(),
  ...(address !== undefined && { address }),
  ...(host && { provider: true }),
})
