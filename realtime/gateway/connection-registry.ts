// The connections of this node by user and topic. Changes and deltas reach the devices through
// here.
import type { WireChange } from '@lockstep/protocol/change'
import type { DraftNotice } from '@lockstep/protocol/drafts'
import type { Delta } from '@lockstep/protocol/sync'
import { topics, type Topic } from '@lockstep/protocol/topics'
import { logKey, type Connection } from './connection.ts'

const none: ReadonlySet<Connection> = new Set()

export class ConnectionRegistry {
  /** By `logKey`. */
  readonly #connections = new Map<string, Set<Connection>>()

  add(connection: Connection): void {
    const key = logKey(connection.identity.user_id, connection.topic)
    const connections = this.#connections.get(key)
    if (connections) connections.add(connection)
    else this.#connections.set(key, new Set([connection]))
  }

  remove(connection: Connection): void {
    const key = logKey(connection.identity.user_id, connection.topic)
    const connections = this.#connections.get(key)
    connections?.delete(connection)
    if (connections?.size === 0) this.#connections.delete(key)
  }

  /** All connections of this node. */
  *connections(): Generator<Connection> {
    for (const connections of this.#connections.values()) yield* connections
  }

  connectionsOf(user_id: string, topic: Topic): ReadonlySet<Connection> {
    return this.withKey(logKey(user_id, topic))
  }

  /** The keys of all users and topics that have a connection. */
  keys(): string[] {
    return [...this.#connections.keys()]
  }

  /** The connections of the user and topic with this key. */
  withKey(key: string): ReadonlySet<Connection> {
    return this.#connections.get(key) ?? none
  }

  /** The users with a connection in this topic. */
  userIds(topic: Topic): string[] {
    const end = `:${topic}`
    return this.keys()
      .filter((key) => key.endsWith(end))
      .map((key) => key.slice(0, -end.length))
  }

  /** The sessions of the user that have a connection. */
  sessionIds(user_id: string): Set<string> {
    const found = new Set<string>()
    for (const topic of topics)
      for (const { identity } of this.connectionsOf(user_id, topic)) found.add(identity.session_id)
    return found
  }

  offerChange(user_id: string, change: WireChange): void {
    for (const { device } of this.connectionsOf(user_id, change.topic)) device.offer(change)
  }

  sendDelta(user_id: string, topic: Topic, delta: Delta): void {
    for (const { device } of this.connectionsOf(user_id, topic)) device.sendDelta(delta)
  }

  sendDraftNotice(user_id: string, notice: DraftNotice): void {
    for (const { socket } of this.connectionsOf(user_id, 'account')) socket.emit('draft', notice)
  }
}
