// Tells a user's devices what changed in how the user signs in. The documents are written first.
import { newId } from '@lockstep/protocol/ids'
import type { WireChange } from '@lockstep/protocol/change'
import type { SecurityChange } from '@lockstep/protocol/passkeys'
import type { CommandContext } from '../log/entry.ts'
import type { SecurityLog } from '../observability/security-log.ts'
import type { Log } from '../log/log.ts'
import { createAccountLog, type CommandIdentity, type Told } from './account-log.ts'

/** The changes that may have ended the session or token of an open socket. */
const ending: readonly unknown[] = [
  'account_locked',
  'devices_signed_out',
] satisfies SecurityChange[]

/** Whether the user's sockets, on all nodes, must be ended because of this change. */
export const endsAccess = ({ op, data }: Pick<WireChange, 'op' | 'data'>): boolean =>
  op === 'security_changed' && ending.includes(data?.what)

export interface SecurityChanges {
  tell(context: CommandContext, identity: CommandIdentity, what: SecurityChange): Promise<void>
  /** Tells a change that happened as a side effect of the request's command. */
  tellMeanwhile(context: CommandContext, what: SecurityChange): Promise<void>
  /** The same command's entry, if it was told before. Throws `invalid` as `AccountLog` does. */
  first(context: CommandContext, identity: CommandIdentity): Promise<Told | undefined>
}

/** @param security Notes the changes that are a side effect of another command. */
export function createSecurityChanges(log: Log, security?: SecurityLog): SecurityChanges {
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
      const { user_id, session_id, device, address } = context
      security?.note(what, { user_id, session_id, device, address })
      return tell({ user_id, session_id, device, mutation_id: newId() }, [what], what)
    },
    first: accountLog.first,
  }
}
