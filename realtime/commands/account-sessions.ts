// How the sessions of a user end and follow one another. First the session's document is written,
// so that the session is dead on every node. Then its sockets are ended. Then the other devices are
// told.
import type { AccountCommands } from '@lockstep/protocol/account'
import { Fault } from '@lockstep/protocol/errors'
import { newId } from '@lockstep/protocol/ids'
import { limits as most } from '@lockstep/protocol/limits'
import type { Identity, Sessions } from '../auth/sessions.ts'
import type { CommandContext } from '../log/entry.ts'
import type { Database } from '../store/database.ts'
import { deleteSession, deleteSessionsOf, findSessionsOf } from '../store/sessions.ts'
import { deleteTokensOf } from '../store/tokens.ts'
import { toSession } from './account-answers.ts'
import type { AccountLog } from './account-log.ts'
import type { Outcome } from './outcome.ts'
import type { SessionSockets } from './session-sockets.ts'

/** Who is signed in, and where. */
export type Identified = Pick<Identity, 'user_id' | 'session_id' | 'device'>

export interface AccountSessions {
  /** Ends all sessions of the caller's user except the caller's own. */
  endOthers(context: CommandContext): Promise<void>
  /** Ends the oldest sessions of a user who has too many. */
  endOldest(context: CommandContext): Promise<void>
  /** Ends the session that a browser had before it began the caller's. */
  endEarlier(context: CommandContext, earlier: Identified): Promise<void>
  /**
   * Gives the caller's session a new id, so that a copy of its cookie is worth nothing. Resolves to
   * undefined if the session has ended.
   */
  renew(context: CommandContext): Promise<string | undefined>
  /** Ends a session. Throws `not_found` if the user has no such session, or no longer has it. */
  revoke(
    context: CommandContext,
    command: AccountCommands['revoke'],
  ): Promise<Outcome<AccountCommands['revoke']>>
}

export function createAccountSessions({
  database,
  accountLog,
  sessions,
  devices,
}: {
  database: Database
  accountLog: AccountLog
  sessions: Pick<Sessions, 'renewId' | 'replace'>
  devices: SessionSockets
}): AccountSessions {
  /**
   * `removed`: the session's document existed just now. The log then gets the session's end, even
   * if it never got the session's beginning.
   */
  const tellRevoked = (
    context: CommandContext,
    session_id: string,
    { removed, replaced_by }: { removed: boolean; replaced_by?: string },
  ) =>
    accountLog.tell(
      context,
      ['revoke', session_id],
      { entity_id: session_id, needs: { lastEntry: {} } },
      ({ lastEntry }) => {
        if (lastEntry ? lastEntry.op === 'session_revoked' : !removed) throw noSuchSession()
        const version = (lastEntry?.version ?? 0) + 1
        const data = { session_id, ...(replaced_by !== undefined && { replaced_by }) }
        return { op: 'session_revoked', entity_id: session_id, version, data }
      },
    )

  /** Ends the short-lived tokens too; the user's own tokens stay. */
  async function endOthers(context: CommandContext): Promise<void> {
    devices.disconnectSessions(await deleteTokensOf(database, context.user_id, 'short'))
    await tellEnded(
      context,
      await deleteSessionsOf(database, context.user_id, context.session_id ?? undefined),
    )
  }

  async function endOldest(context: CommandContext): Promise<void> {
    const present = await findSessionsOf(database, context.user_id, new Date())
    const excess = present.length - most.sessionsPerUser
    if (excess <= 0) return
    // sessions without a socket go first: one with a socket is somebody's open page
    const online = await devices.onlineSessions(context.user_id)
    const ids = present.map(({ _id }) => _id).reverse()
    const oldest = ids
      .filter((id) => id !== context.session_id)
      .sort((one, other) => Number(online.has(one)) - Number(online.has(other)))
      .slice(0, excess)
    for (const id of oldest) await deleteSession(database, context.user_id, id)
    await tellEnded(context, oldest)
  }

  async function tellEnded(context: CommandContext, ended: readonly string[]): Promise<void> {
    devices.disconnectSessions(ended)
    for (const id of ended)
      await tellRevoked({ ...context, mutation_id: newId() }, id, { removed: true }).catch(
        (error: unknown) => {
          // another device has revoked it meanwhile
          if (!(error instanceof Fault && error.code === 'not_found')) throw error
        },
      )
  }

  const replaced = (context: CommandContext, session_id: string, replaced_by: string) => {
    devices.renewSockets(session_id)
    return tellRevoked({ ...context, mutation_id: newId() }, session_id, {
      removed: true,
      replaced_by,
    })
  }

  async function renew(context: CommandContext): Promise<string | undefined> {
    const { user_id, session_id } = context
    const session = session_id === null ? undefined : await sessions.renewId(user_id, session_id)
    if (!session || session_id === null) return undefined
    const renewed = { ...context, session_id: session._id, mutation_id: newId() }
    await accountLog.tell(renewed, ['renew'], { entity_id: session._id }, () => ({
      op: 'session_created',
      entity_id: session._id,
      version: 1,
      data: { session: toSession(session), replaces: session_id },
    }))
    await replaced(renewed, session_id, session._id)
    return session._id
  }

  async function endEarlier(context: CommandContext, earlier: Identified): Promise<void> {
    const { user_id, session_id } = earlier
    if (user_id !== context.user_id) {
      if (await deleteSession(database, user_id, session_id))
        await tellEnded({ ...earlier, mutation_id: newId() }, [session_id])
    } else if (
      context.session_id !== null &&
      (await sessions.replace(user_id, session_id, context.session_id))
    )
      await replaced(context, session_id, context.session_id)
  }

  return {
    endOthers,
    endOldest,
    endEarlier,
    renew,
    async revoke(context, { session_id }) {
      const removed = await deleteSession(database, context.user_id, session_id)
      if (removed) devices.disconnectSessions([session_id])
      const told = await tellRevoked(context, session_id, { removed })
      if (!told) throw noSuchSession()
      const { epoch, seq, version, changed } = told
      return { data: { session_id }, epoch, seq, version, changed }
    },
  }
}

const noSuchSession = () => new Fault('not_found', { detail: 'There is no such session' })
