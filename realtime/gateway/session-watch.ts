// A socket lives no longer than its session: it is looked up again after the socket has joined its rooms, when it should expire, and in
// batches now and then. The invariant: a revoked session has no socket longer than a beat, even if nobody could tell this node.
import type { Logger } from '../observability/logger.ts'
import type { Connection } from './connection.ts'

/** Ids per query. */
const BATCH = 1_000
/** The longest timer that Node takes (ms). */
const LONGEST_MS = 2 ** 31 - 1

export interface SessionWatchPorts {
  /** Until when each is alive; those that aren't are left out. */
  alive(sessionIds: readonly string[]): Promise<Map<string, Date>>
  end(member: Connection, reason: 'revoked' | 'expired'): void
  logger: Logger
}

export class SessionWatch {
  readonly #ports: SessionWatchPorts
  readonly #expiries = new Map<Connection, NodeJS.Timeout>()
  #questions = new Map<string, PromiseWithResolvers<boolean>>()

  constructor(ports: SessionWatchPorts) {
    this.#ports = ports
  }

  /** Is it alive, by a read that begins after this call? Calls of the same moment share it. A database that is away means yes. */
  async verify(session_id: string): Promise<boolean> {
    let question = this.#questions.get(session_id)
    if (!question) {
      if (this.#questions.size === 0) setImmediate(() => void this.#ask())
      this.#questions.set(session_id, (question = Promise.withResolvers<boolean>()))
    }
    return question.promise
  }

  /** Ends the socket when its session expires, unless that was prolonged. */
  watch(member: Connection): void {
    this.#arm(member, member.identity.expires_at)
  }

  unwatch(member: Connection): void {
    clearTimeout(this.#expiries.get(member))
    this.#expiries.delete(member)
  }

  /** Looks all sessions up and ends the sockets of those that are gone. A database that is away ends none. */
  async check(members: Iterable<Connection>): Promise<void> {
    try {
      await this.#check(members)
    } catch (error) {
      this.#ports.logger.debug({ err: error }, 'sessions not checked')
    }
  }

  async #check(members: Iterable<Connection>): Promise<void> {
    const bySession = new Map<string, Connection[]>()
    for (const member of members) {
      const { session_id } = member.identity
      const known = bySession.get(session_id)
      if (known) known.push(member)
      else bySession.set(session_id, [member])
    }
    const ids = [...bySession.keys()]
    for (let from = 0; from < ids.length; from += BATCH) {
      const batch = ids.slice(from, from + BATCH)
      const alive = await this.#ports.alive(batch)
      for (const id of batch)
        if (!alive.has(id))
          for (const member of bySession.get(id)!) this.#ports.end(member, 'revoked')
    }
  }

  async #ask(): Promise<void> {
    const questions = [...this.#questions]
    this.#questions = new Map()
    for (let from = 0; from < questions.length; from += BATCH) {
      const batch = questions.slice(from, from + BATCH)
      const alive = await this.#ports.alive(batch.map(([id]) => id)).catch((error: unknown) => {
        this.#ports.logger.debug({ err: error }, 'sessions not verified; the next check will')
        return undefined
      })
      for (const [id, { resolve }] of batch) resolve(alive?.has(id) ?? true)
    }
  }

  #arm(member: Connection, expires_at: Date): void {
    const ms = Math.min(LONGEST_MS, Math.max(0, expires_at.getTime() - Date.now()))
    this.#expiries.set(member, setTimeout(() => void this.#expire(member), ms).unref())
  }

  /** Using the product prolongs a session, which the socket doesn't notice; its cookie may be older than that by now. */
  async #expire(member: Connection): Promise<void> {
    try {
      const { session_id } = member.identity
      const expires_at = (await this.#ports.alive([session_id])).get(session_id)
      if (!this.#expiries.has(member)) return
      if (expires_at && expires_at.getTime() > Date.now()) this.#arm(member, expires_at)
      else this.#ports.end(member, 'expired')
    } catch (error) {
      this.#ports.logger.debug({ err: error }, 'session not read at its end')
      this.#ports.end(member, 'expired')
    }
  }
}
