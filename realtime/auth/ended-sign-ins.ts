// Sign-ins that have ended at their provider lately. A logout is noted here before its sessions are
// looked for, and a sign-in looks here after it has written its session. So whichever comes second
// sees the other one.
import type { Database } from '../store/database.ts'
import type { HostSession } from '../store/documents.ts'
import { isTokenSpent, spendToken, type TokenName } from '../store/spent-tokens.ts'

const nameOf = ({ issuer, sid }: { issuer: string; sid: string }): TokenName => [
  'ended sign-in',
  issuer,
  sid,
]

export async function markEnded(
  database: Database,
  signIn: { issuer: string; sid: string },
  until: Date,
): Promise<void> {
  await spendToken(database, nameOf(signIn), until)
}

export const hasEnded = async (
  database: Database,
  signIn: HostSession | undefined,
): Promise<boolean> =>
  signIn?.sid !== undefined &&
  isTokenSpent(database, nameOf({ issuer: signIn.issuer, sid: signIn.sid }))
