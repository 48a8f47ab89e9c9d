// Topic `account`: it tells devices, and people later, what happened to accounts and sessions. Those are documents that are written first;
// an entry is appended when they are, so that a crash in between leaves an entry out and never a revoked session alive.
import type { Decision } from '@lockstep/protocol/change'
import { fingerprintOf } from '../log/entry.ts'
import type { Log } from '../log/log.ts'
import type { ChangeDocument } from '../store/changes.ts'
import type { CommandContext } from './commands.ts'

export interface Told {
  seq: number
  version: number
  /** What tells it: new or, for a repeated command, the first one. undefined: there was nothing to tell. */
  entry?: ChangeDocument
  changed: boolean
}

/**
 * A command's identity, for telling a repeated one from another under the same `mutation_id`. It is stored as a plain hash: it never
 * contains a password.
 */
export type CommandIdentity = readonly [name: string, ...fields: string[]]

export interface AccountLog {
  /** Appends what `decide` makes of what `load` reads; both run again when another entry came first. */
  tell<State>(
    request: CommandContext,
    identity: CommandIdentity,
    load: () => Promise<State>,
    decide: (state: State) => Decision | undefined,
  ): Promise<Told>
  /** The entry that the same command made before. Throws `invalid` when its `mutation_id` was another command's. */
  first(request: CommandContext, identity: CommandIdentity): Promise<ChangeDocument | undefined>
}

export function createAccountLog(log: Log): AccountLog {
  const tell: AccountLog['tell'] = async (request, identity, load, decide) => {
    const appended = await log.append({
      caller: request,
      topic: 'account',
      mutation_id: request.mutation_id,
      fingerprint: fingerprintOf(identity),
      load,
      decide,
    })
    if (appended.kind === 'unchanged') return { seq: appended.seq, version: 1, changed: false }
    const { entry } = appended
    return { seq: entry.seq, version: entry.version, entry, changed: appended.kind === 'appended' }
  }
  const nothing = () => Promise.resolve(undefined)
  return {
    tell,
    first: async (request, identity) =>
      (await tell(request, identity, nothing, () => undefined)).entry,
  }
}
