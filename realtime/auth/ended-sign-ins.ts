// Sign-ins that have ended at their provider lately. A logout is noted here before its sessions are
// looked for, and a sign-in looks here after it has written its session. So whichever comes second
// sees the other one.
import type { Database } from '../store/database.ts'
import type { HostIdentity, HostMoment } from '../store/documents.ts'
import {
  findEnd,
  isTokenSpent,
  noteEnd,
  spendToken,
  type TokenName,
} from '../store/spent-tokens.ts'
import type { HostUser } from './host-user.ts'
import type { EndedHostSignIn } from './logout-token.ts'

const signInName = (issuer: string, sid: string): TokenName => ['ended sign-in', issuer, sid]
const userName = ({ issuer, subject }: HostIdentity): TokenName => [
  'ended sign-ins',
  issuer,
  subject,
]

export async function markEnded(
  database: Database,
  { issuer, subject, sid, issued }: EndedHostSignIn,
  until: Date,
): Promise<void> {
  if (sid !== undefined) await spendToken(database, signInName(issuer, sid), until)
  else if (subject !== undefined)
    await noteEnd(database, userName({ issuer, subject }), { issued, at: new Date() }, until)
}

/** Whether the sign-in from which this user comes has ended. */
export async function hasEnded(
  database: Database,
  { issuer, subject, session, signedIn }: HostUser,
): Promise<boolean> {
  const { sid } = session ?? {}
  if (sid !== undefined && (await isTokenSpent(database, signInName(issuer, sid)))) return true
  const end = signedIn && (await findEnd(database, userName({ issuer, subject })))
  return end !== undefined && isBefore(signedIn!, end)
}

/**
 * The provider's clock decides. It counts in seconds: within one, a sign-in that was asked for
 * after we were told of the end is a later one.
 */
const isBefore = (signIn: HostMoment, end: HostMoment): boolean =>
  signIn.issued < end.issued || (signIn.issued === end.issued && signIn.at <= end.at)
