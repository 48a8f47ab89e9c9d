// A socket lives no longer than its session. The session is read again after the socket has joined
// its rooms, when it is due to expire, and regularly in batches. The invariant (GATE-6): a revoked
// session keeps no socket beyond the next regular check, even if this node was not told.
import type { Logger } from '../observability/logger.ts'
import type { Connection } from './connection.ts'

const SESSIONS_PER_QUERY = 1_000
/** The longest timer that Node supports (ms). */
const LONGEST_TIMER_MS = 2 ** 31 - 1

export interface SessionWatchDeps {
  /** When each of the sessions expires. Sessions that are no longer alive are left out. */
  alive(sessionIds: readonly string[]): Promise<Map<string, Date>>
  end(connection: Connection, reason: 'revoked' | 'expired'): void
  logger: Logger
}

export interface SessionWatch {
  /**
   * Whether the session is alive, according to a read that begins after this call. Calls of the
   * same moment share the read. A database that is away counts as yes.
   */
  isAlive(session_id: string): Promise<boolean>
  /** Ends the connection when its session expires, unless the session has been prolonged. */
  watch(connection: Connection): void
  unwatch(connection: Connection): void
  /**
   * Reads the sessions of all connections and ends the connections whose session is gone. A
   * database that is away ends none. Never rejects.
   */
  checkAll(connections: Iterable<Connection>): Promise<void>
}

export function createSessionWatch(deps: SessionWatchDeps): SessionWatch {
  const { logger } = deps
  const expiryTimers = new Map<Connection, NodeJS.Timeout>()
  let requests = new Map<string, PromiseWithResolvers<boolean>>()

  async function answerRequests(): Promise<void> {
    const pending = [...requests]
    requests = new Map()
    for (const batch of batches(pending)) {
      const alive = await deps.alive(batch.map(([id]) => id)).catch((error: unknown) => {
        logger.debug(
          { err: error },
          'sessions were not verified; the next regular check reads them',
        )
        return undefined
      })
      for (const [id, { resolve }] of batch) resolve(alive?.has(id) ?? true)
    }
  }

  async function endRevoked(connections: Iterable<Connection>): Promise<void> {
    const bySession = Map.groupBy(connections, ({ identity }) => identity.session_id)
    for (const batch of batches([...bySession])) {
      const alive = await deps.alive(batch.map(([id]) => id))
      for (const [id, ended] of batch)
        if (!alive.has(id)) for (const connection of ended) deps.end(connection, 'revoked')
    }
  }

  function setExpiryTimer(connection: Connection, expires_at: Date): void {
    const ms = Math.min(LONGEST_TIMER_MS, Math.max(0, expires_at.getTime() - Date.now()))
    expiryTimers.set(connection, setTimeout(() => void expire(connection), ms).unref())
  }

  /**
   * The session may have been prolonged since the handshake, because every HTTP request prolongs it
   * and the socket does not notice.
   */
  async function expire(connection: Connection): Promise<void> {
    const { session_id } = connection.identity
    try {
      const expires_at = (await deps.alive([session_id])).get(session_id)
      if (!expiryTimers.has(connection)) return
      if (expires_at && expires_at.getTime() > Date.now()) setExpiryTimer(connection, expires_at)
      else deps.end(connection, 'expired')
    } catch (error) {
      logger.debug({ err: error }, 'a session could not be read when it was due to expire')
      deps.end(connection, 'expired')
    }
  }

  return {
    isAlive(session_id) {
      let request = requests.get(session_id)
      if (!request) {
        if (requests.size === 0) setImmediate(() => void answerRequests())
        requests.set(session_id, (request = Promise.withResolvers<boolean>()))
      }
      return request.promise
    },
    watch: (connection) => setExpiryTimer(connection, connection.identity.expires_at),
    unwatch(connection) {
      clearTimeout(expiryTimers.get(connection))
      expiryTimers.delete(connection)
    },
    async checkAll(connections) {
      try {
        await endRevoked(connections)
      } catch (error) {
        logger.debug({ err: error }, 'sessions were not checked')
      }
    },
  }
}

function* batches<T>(items: readonly T[]): Generator<T[]> {
  for (let from = 0; from < items.length; from += SESSIONS_PER_QUERY)
    yield items.slice(from, from + SESSIONS_PER_QUERY)
}
