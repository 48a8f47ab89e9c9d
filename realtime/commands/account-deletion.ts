// The deletion of an account. `closing` in the user's document is the point of no return: from then
// on nobody is signed in or can sign in. `finish` completes a deletion that stopped half-way; any
// node may run it at any time. The user's document is deleted last, because `closing` is in it.
import { Fault } from '@lockstep/protocol/errors'
import { newId } from '@lockstep/protocol/ids'
import { topics, type Topic } from '@lockstep/protocol/topics'
import { eraseContent } from '../log/erase-content.ts'
import type { Log } from '../log/log.ts'
import { topicKey } from '../store/changes.ts'
import { deleteSessionsOf } from '../store/sessions.ts'
import { deleteTokensOf } from '../store/tokens.ts'
import { deleteUser, findClosing, markClosing } from '../store/users.ts'
import { destroyKey, findClosedSince, findRestored } from '../store/account-entries.ts'
import type { Database } from '../store/database.ts'
import type { UserDocument } from '../store/documents.ts'
import type { SessionSockets } from './session-sockets.ts'

/**
 * For this long after a deletion, content of the account is deleted again: a node that had stalled
 * may have written some (ms).
 */
const SWEEP_AGAIN_MS = 60 * 60 * 1000

/**
 * Devices that receive `closed` are disconnected within milliseconds. The other connections are
 * ended after this time (ms).
 */
const FAREWELL_MS = 900

const otherTopics = topics.filter((topic) => topic !== 'account')

export interface AccountDeletion {
  /** Removes the account and all its content. */
  remove(user: UserDocument): Promise<void>
  /**
   * Completes deletions that stopped half-way, and repeats recent ones. Idempotent; a few look-ups
   * when there is nothing to do.
   */
  finish(): Promise<void>
}

export function createAccountDeletion({
  database,
  log,
  devices,
}: {
  database: Database
  log: Pick<Log, 'heads' | 'append' | 'projectToHead'>
  devices: Pick<SessionSockets, 'disconnectSessions'>
}): AccountDeletion {
  let hasLookedForRestored = false

  /**
   * Appends the last entry of a topic, and projects the entries before it: otherwise a projection
   * of this node could write after the content has been deleted.
   */
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
      // a deletion that stopped half-way has closed it, or a sign-up that stopped half-way never
      // created it
      const done =
        error instanceof Fault && (error.code === 'unauthenticated' || error.code === 'not_found')
      if (!done) throw error
    }
  }

  /**
   * Deletes the sessions and tokens after `closed` has been appended: a socket whose session is
   * gone is ended before it hears of anything.
   */
  async function endSessions(user_id: string): Promise<void> {
    const sessions = await deleteSessionsOf(database, user_id)
    const tokens = await deleteTokensOf(database, user_id)
    setTimeout(() => devices.disconnectSessions([...sessions, ...tokens]), FAREWELL_MS).unref()
  }

  async function complete(user: UserDocument): Promise<void> {
    // an account that is older than a topic gets its log first: a log that doesn't exist can't be
    // closed, and another node could still create it
    await log.heads(topics.map((topic) => topicKey(user._id, topic)))
    // LOG-7: a device of `account` is disconnected with all its topics as soon as it is told, so
    // the others are told before
    const closed = await Promise.allSettled(otherTopics.map((topic) => close(user, topic)))
    closed.push(...(await Promise.allSettled([close(user, 'account')])))
    await endSessions(user._id)
    for (const each of closed) if (each.status === 'rejected') throw each.reason
    await eraseContent(database, user._id)
    destroyKey(database, user._id)
    await deleteUser(database, user._id)
  }

  return {
    async remove(user) {
      await markClosing(database, user._id)
      await complete(user)
    },
    async finish() {
      // a deletion that waits for a newer node must not keep the others waiting
      const failed: unknown[] = []
      if (!hasLookedForRestored)
        for (const { _id } of await findRestored(database)) await markClosing(database, _id)
      hasLookedForRestored = true
      for (const user of await findClosing(database))
        await complete(user).catch((error: unknown) => failed.push(error))
      const since = new Date(Date.now() - SWEEP_AGAIN_MS)
      for (const user_id of await findClosedSince(database, since))
        await eraseContent(database, user_id)
      if (failed.length > 0) throw failed[0]
    },
  }
}
