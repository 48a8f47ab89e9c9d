// Links an account to the identity that an OpenID Connect provider gives its user. Only an operator
// can know that both are the same person: names and mail addresses prove nothing. An account always
// keeps a way to sign in.
import type { Database } from '../store/database.ts'
import { findUserOfHost, linkHost, unlinkHost } from '../store/users.ts'
import { findExistingAccount } from './accounts.ts'
import { UsageError, type OperatorCommand } from './command-line.ts'

/** Returns false if the account can't be changed, which it has told. */
export async function changeLink(
  command: Extract<OperatorCommand, { name: 'link' | 'unlink' }>,
  { database, issuer: usualIssuer }: { database: Database; issuer?: string },
  terminal: { tell: (line: string) => void },
): Promise<boolean> {
  const user = await findExistingAccount(database, command.user)
  const refuse = (why: string) => {
    terminal.tell(why)
    return false
  }
  if (command.name === 'unlink') {
    if (!user.host) return refuse(`${user.username} is linked to nobody`)
    if (!(await unlinkHost(database, user._id)))
      return refuse(`${user.username} has no password, and could not sign in any more`)
    terminal.tell(`${user.username} signs in here only`)
    return true
  }

  const { subject, issuer = usualIssuer } = command
  if (issuer === undefined) throw new UsageError('Set OIDC_ISSUER, or name the --issuer')
  const host = { issuer, subject }
  if (user.host && (user.host.subject !== subject || user.host.issuer !== issuer))
    return refuse(
      `${user.username} is linked to ${user.host.subject} of ${user.host.issuer}. Unlink it first`,
    )
  if (!(await linkHost(database, user._id, host))) {
    const owner = await findUserOfHost(database, host)
    return refuse(
      `${owner?.username ?? 'Another account'} signs in there as ${subject}. Delete that account first, after its user has saved what is in it`,
    )
  }
  terminal.tell(`${user.username} can sign in at ${issuer} as ${subject}`)
  return true
}
