// Runs use cases and writes what came of them to the security log.
import { Fault } from '@lockstep/protocol/errors'
import type { Caller } from '../log/entry.ts'
import type { SecurityEvent, SecurityLog } from '../observability/security-log.ts'
import type { Database } from '../store/database.ts'
import type { HostIdentity } from '../store/documents.ts'
import { findUser, findUserByName, findUserOfHost } from '../store/users.ts'
import type { SignInContext, SignInResult } from './sign-in.ts'

/** The faults that already have a line in the security log. */
const withLine = new WeakSet<object>()

/** Whether this refusal is in the security log already. */
export const isNoted = (fault: Fault): boolean => withLine.has(fault)

/** What is noted if it succeeds, and if it is refused. */
export type Events = readonly [event: string, refused: string]

export interface AuditTrail {
  /** The username of this user; null if the account doesn’t exist. */
  nameOf(user_id: string): Promise<string | null>
  /** The same name, if an account has it. */
  knownName(username: string): Promise<string | null>
  /** The username of the account that a host identity has; null if it has no account. */
  nameOfHost(host: HostIdentity): Promise<string | null>
  /** Runs a use case and notes what came of it. */
  noted<T>(
    events: Events,
    run: () => Promise<T>,
    describe: (result?: T) => Promise<SecurityEvent> | SecurityEvent,
  ): Promise<T>
  /** The same for somebody who is signed in. `describe` adds to who it was. */
  byCaller<T>(
    events: Events,
    caller: Caller,
    run: () => Promise<T>,
    describe?: (result?: T) => SecurityEvent,
  ): Promise<T>
  /** Runs what changes nothing by itself, and notes if it is refused. */
  unlessRefused<T>(refused: string, caller: Caller, run: () => Promise<T>): Promise<T>
}

export const ofVisitor = ({
  address,
  device,
}: Pick<SignInContext, 'address' | 'device'>): SecurityEvent => ({ address, device })

export const ofResult = ({ user, session }: SignInResult): SecurityEvent => ({
  account: user.username,
  user_id: user.id,
  session_id: session.id,
})

export function createAuditTrail(database: Database, security: SecurityLog): AuditTrail {
  /** If the look-up fails, the line has no name, and the caller still gets the answer. */
  const nameOf = async (user_id: string): Promise<string | null> =>
    (await findUser(database, user_id).catch(() => null))?.username ?? null

  async function noteRefusal(
    refused: string,
    error: unknown,
    describe: () => Promise<SecurityEvent> | SecurityEvent,
  ): Promise<void> {
    const reason = error instanceof Fault ? (error.extra.reason ?? error.code) : 'internal'
    security.note(refused, { ...(await describe()), reason })
    if (error instanceof Fault) withLine.add(error)
  }

  const noted: AuditTrail['noted'] = async ([event, refused], run, describe) => {
    try {
      const result = await run()
      security.note(event, await describe(result))
      return result
    } catch (error) {
      await noteRefusal(refused, error, describe)
      throw error
    }
  }

  const ofCaller = async (caller: Caller): Promise<SecurityEvent> => {
    const { user_id, session_id, device, address } = caller
    return { account: await nameOf(user_id), user_id, session_id, device, address }
  }

  return {
    nameOf,
    knownName: async (username) =>
      (await findUserByName(database, username).catch(() => null))?.username ?? null,
    nameOfHost: async ({ issuer, subject }) =>
      (await findUserOfHost(database, { issuer, subject }).catch(() => null))?.username ?? null,
    noted,
    async byCaller(events, caller, run, describe = () => ({})) {
      // as it was before: the account may be gone afterwards, or have another name
      const described = await ofCaller(caller)
      return noted(events, run, (result) => ({ ...described, ...describe(result) }))
    },
    async unlessRefused(refused, caller, run) {
      try {
        return await run()
      } catch (error) {
        await noteRefusal(refused, error, () => ofCaller(caller))
        throw error
      }
    },
  }
}
