// Topic `account` tells devices, and people later, what happened to accounts and sessions. Accounts
// and sessions are documents that are written first; the entry is appended after that. So a crash
// in between loses an entry and never leaves a revoked session alive.
import type { DecisionOf } from '@lockstep/protocol/change'
import type { CommandContext } from '../log/entry.ts'
import type { Log } from '../log/log.ts'
import type { AccountNeeds, AccountState } from '../log/state/account-state.ts'

/**
 * A command's identity, which tells a repeated command from another one under the same
 * `mutation_id`. It is stored as a plain hash and therefore never contains a password.
 */
export type CommandIdentity = readonly [name: string, ...fields: string[]]

/** An entry that describes a command. For a repeated command, it is the first one. */
export interface Told {
  entity_id: string
  epoch: string
  seq: number
  version: number
  /** False if the entry existed already. */
  changed: boolean
}

export interface AccountLog {
  /**
   * Appends the decision that `decide` makes on the state. Resolves to undefined if `decide`
   * decided nothing.
   */
  tell(
    context: CommandContext,
    identity: CommandIdentity,
    entity: { entity_id: string; needs?: AccountNeeds },
    decide: (state: AccountState) => DecisionOf<'account'> | undefined,
  ): Promise<Told | undefined>
  /**
   * The entry that the same command made before. Throws `invalid` when another command used its
   * `mutation_id`.
   */
  first(context: CommandContext, identity: CommandIdentity): Promise<Told | undefined>
}

export function createAccountLog(log: Log): AccountLog {
  const tell: AccountLog['tell'] = async (context, identity, entity, decide) => {
    const appended = await log.append({ context, topic: 'account', identity, ...entity, decide })
    const { kind, entity_id, epoch, seq, version } = appended
    if (kind === 'unchanged') return undefined
    return { entity_id, epoch, seq, version, changed: kind === 'appended' }
  }
  return {
    tell,
    first: (context, identity) =>
      tell(context, identity, { entity_id: context.user_id }, () => undefined),
  }
}
