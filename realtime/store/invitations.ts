// Invitations to sign up. Taking one is a single write, so that it never makes one account too
// many.
import type { Database } from './database.ts'
import type { InvitationDocument } from './documents.ts'

export async function insertInvitation(
  { invitations }: Database,
  invitation: InvitationDocument,
): Promise<void> {
  await invitations.insertOne(invitation)
}

const valid = (_id: string, now: Date) => ({ _id, uses: { $gt: 0 }, expires_at: { $gt: now } })

export const hasInvitation = async (
  { invitations }: Database,
  _id: string,
  now: Date,
): Promise<boolean> => (await invitations.findOne(valid(_id, now))) !== null

/** False if there is no such invitation, or nothing is left of it. */
export async function takeInvitation(
  { invitations }: Database,
  _id: string,
  now: Date,
): Promise<boolean> {
  const { matchedCount } = await invitations.updateOne(valid(_id, now), { $inc: { uses: -1 } })
  return matchedCount === 1
}

export async function giveInvitationBack({ invitations }: Database, _id: string): Promise<void> {
  await invitations.updateOne({ _id }, { $inc: { uses: 1 } })
}
