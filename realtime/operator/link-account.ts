// Links an account to the identity that an OpenID Connect provider gives its user. Only an operator
// can know that both are the same person: names and mail addresses prove nothing. An account always
// keeps a way to sign in.
import { newId } from '@lockstep/protocol/ids'
import type { SecurityChange } from '@lockstep/protocol/passkeys'
import type { SecurityChanges } from '../commands/security-changes.ts'
import type { WaysIn } from '../commands/ways-in.ts'
import type { Database } from '../store/database.ts'
import { findPasskeys, lasting } from '../store/passkeys.ts'
import { findUserOfHost, linkHost, unlinkHost } from '../store/users.ts'
import { asOperator, findExistingAccount } from './accounts.ts'
import { UsageError, type OperatorCommand } from './command-line.ts'

export interface LinkDeps {
  database: Database
  securityChanges: Pick<SecurityChanges, 'tell'>
  waysIn: Pick<WaysIn, 'besidesHost'>
  /** The provider of this deployment. */
  issuer?: string
}

/** Returns false if the account can't be changed, which it has told. */
export async function changeLink(
  command: Extract<OperatorCommand, { name: 'link' | 'unlink' }>,
  { database, securityChanges, waysIn, issuer: usualIssuer }: LinkDeps,
  terminal: { tell: (line: string) => void },
): Promise<boolean> {
  const user = await findExistingAccount(database, command.user)
  const refuse = (why: string) => {
    terminal.tell(why)
    return false
  }
  const tell = (what: SecurityChange) =>
    securityChanges.tell({ ...asOperator(user._id), mutation_id: newId() }, [what], what)
  if (command.name === 'unlink') {
    if (!user.host) return refuse(`${user.username} is linked to nobody`)
    const passkeys = lasting(await findPasskeys(database, user._id), user)
    if (!waysIn.besidesHost(user, passkeys.length))
      return refuse(
        `${user.username} has no other way to sign in here, and could not sign in any more`,
      )
    if (!(await unlinkHost(database, user)))
      return refuse(`${user.username} was changed at the same moment. Run the command again`)
    await tell('provider_unlinked')
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
  if (!user.host && !(await linkHost(database, user._id, host))) {
    const owner = await findUserOfHost(database, host)
    return refuse(
      `${owner?.username ?? 'Another account'} signs in there as ${subject}. Delete that account first, after its user has saved what is in it`,
    )
  }
  if (!user.host) await tell('provider_linked')
  terminal.tell(`${user.username} can sign in at ${issuer} as ${subject}`)
  return true
}
