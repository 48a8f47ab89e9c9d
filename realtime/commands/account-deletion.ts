// The end of an account. `closing` in its document is the point of no return: from then on nobody is signed in or can sign in, and
// whatever stops half-way is finished by `finish`, which any node may run at any time. The document goes last, as it is what says so.
import { Fault } from '@lockstep/protocol/errors'
import { newId } from '@lockstep/protocol/ids'
import { topics, type Topic } from '@lockstep/protocol/topics'
import type { Log } from '../log/log.ts'
import { deleteSessionsOf } from '../store/sessions.ts'
import { deleteUser, findClosing, markClosing, type UserDocument } from '../store/users.ts'
import { eraseContent, findClosedSince } from '../store/account-entries.ts'
import type { Database } from '../store/database.ts'
import type { SessionSockets } from './session-sockets.ts'

/** For this long content of a deleted account is looked for again: a node that had stalled may have projected some (ms). */
const SWEEP_AGAIN_MS = 60 * 60 * 1000

/** `closed` ends the connections that it reaches. It takes milliseconds; what it has not reached by then is ended (ms). */
const FAREWELL_MS = 900

export interface AccountDeletion {
  /** Removes the account and all its content. */
  remove(user: UserDocument): Promise<void>
  /** Finishes deletions that were begun, and looks again at recent ones. For housekeeping: idempotent, a few look-ups when idle. */
  finish(): Promise<void>
}

export function createAccountDeletion({
  database,
  log,
  devices,
}: {
  database: Database
  log: Log
  devices: SessionSockets
}): AccountDeletion {
  /** Nothing follows this entry. What came before it is projected here, so that no projection of this node writes behind the erasure. */
  async function close({ _id: user_id, version }: UserDocument, topic: Topic): Promise<void> {
    try {
      await log.append({
        context: { user_id, session_id: null, device: '', mutation_id: newId() },
        topic,
        entity_id: user_id,
        identity: ['close'],
        decide: () => ({ op: 'closed', entity_id: user_id, version: version + 1, data: {} }),
      })
      await log.projectToHead(user_id, topic)
    } catch (error) {
      // closed before by a deletion that stopped half-way, or never begun by a sign-up that did
      const done =
        error instanceof Fault && (error.code === 'unauthenticated' || error.code === 'not_found')
      if (!done) throw error
    }
  }

  /** Nobody is signed in since `closing`; the sessions go behind `closed`, as sockets whose session is gone end before they are told anything. */
  async function endSessions(user_id: string): Promise<void> {
    const sessions = await deleteSessionsOf(database, user_id)
    setTimeout(() => devices.disconnectSessions(sessions), FAREWELL_MS).unref()
  }

  async function complete(user: UserDocument): Promise<void> {
    const closed = await Promise.allSettled(topics.map((topic) => close(user, topic)))
    await endSessions(user._id)
    for (const each of closed) if (each.status === 'rejected') throw each.reason
    await eraseContent(database, user._id)
    await deleteUser(database, user._id)
  }

  return {
    async remove(user) {
      await markClosing(database, user._id)
      await complete(user)
    },
    async finish() {
      // one that waits for a newer node keeps no other waiting
      const failed: unknown[] = []
      for (const user of await findClosing(database))
        await complete(user).catch((error: unknown) => failed.push(error))
      const since = new Date(Date.now() - SWEEP_AGAIN_MS)
      for (const user_id of await findClosedSince(database, since))
        await eraseContent(database, user_id)
      if (failed.length > 0) throw failed[0]
    },
  }
}
