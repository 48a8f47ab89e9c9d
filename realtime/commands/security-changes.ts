// Tells a user's devices what changed in how the user signs in. The documents are written first.
import { newId } from '@lockstep/protocol/ids'
import type { SecurityChange } from '@lockstep/protocol/passkeys'
import type { CommandContext } from '../log/entry.ts'
import type { Log } from '../log/log.ts'
import { createAccountLog, type CommandIdentity, type Told } from './account-log.ts'

export interface SecurityChanges {
  tell(context: CommandContext, identity: CommandIdentity, what: SecurityChange): Promise<void>
  /** Tells a change that happened as a side effect of the request's command. */
  tellMeanwhile(context: CommandContext, what: SecurityChange): Promise<void>
  /** The same command's entry, if it was told before. Throws `invalid` as `AccountLog` does. */
  first(context: CommandContext, identity: CommandIdentity): Promise<Told | undefined>
}

export function createSecurityChanges(log: Log): SecurityChanges {
  const accountLog = createAccountLog(log)
  const tell: SecurityChanges['tell'] = async (context, identity, what) => {
    const { user_id: entity_id } = context
    await accountLog.tell(context, identity, { entity_id, needs: { user: true } }, ({ user }) =>
      user && !user.closing
        ? { op: 'security_changed', entity_id, version: user.version, data: { what } }
        : undefined,
    )
  }
  return {
    tell,
    tellMeanwhile: (context, what) => {
      const { user_id, session_id, device } = context
      return tell({ user_id, session_id, device, mutation_id: newId() }, [what], what)
    },
    first: accountLog.first,
  }
}
