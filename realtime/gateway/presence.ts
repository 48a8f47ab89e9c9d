// Which connections a user has, on this node and on the others, and what each of them looks at.
// Only connections of the topic `account` count and are told. Nothing is stored. Each node tells
// the others about its own connections:
//
//      update      one connection has come, gone, or looks at something else
//      snapshot    all connections of one user on one node; sent together with the question for the
//                  snapshots of the others
//      digest      the connections that a node knows another node to have; sent to that node
//                  regularly, because updates may be lost
//      correction  the answer to a wrong digest: all connections of that user
//
// The connections of a node that is gone are forgotten.
import type { Presence as PresenceEvent } from '@lockstep/protocol/sync'
import type { Connection } from './connection.ts'

export interface PresenceUpdate {
  node: string
  presence: PresenceEvent
}

export interface PresenceSnapshot {
  node: string
  present: PresenceEvent[]
}

export type PresenceDigest = [user_id: string, connection_ids: string[]]
export type PresenceCorrection = [user_id: string, present: PresenceEvent[]]

export interface PresenceDeps {
  /** The id of this node. */
  node: string
  /** The user's connections to `account` on this node. */
  localConnections(user_id: string): Iterable<Connection>
  /** Sends the update to the other nodes that have connections of the user. */
  sendUpdate(user_id: string, update: PresenceUpdate): void
  /** Sends this node's snapshot to the same nodes and asks for theirs. */
  exchangeSnapshots(user_id: string, own: PresenceSnapshot): void
}

/** The shortest pause between two reports of what a user's devices look at (ms). */
const MIN_PAUSE_MS = 50
/**
 * The pause is at least this long for each device that was told, which is about twenty times as
 * long as telling it takes.
 */
const PAUSE_PER_EVENT_MS = 0.5

export class Presence {
  readonly #deps: PresenceDeps
  readonly #viewing = new WeakMap<Connection, string | null>()
  /** The connections on other nodes, by user and connection id. */
  readonly #remote = new Map<string, Map<string, PresenceUpdate>>()

  /** By user, the connections whose view has changed since it was last told. */
  readonly #pending = new Map<string, Set<Connection>>()
  /** Busy connections that get all that they have missed as soon as they are free. */
  readonly #behind = new WeakSet<Connection>()

  constructor(deps: PresenceDeps) {
    this.#deps = deps
  }

  /** A connection has come: it learns of the others, and the others learn of it. */
  connected(connection: Connection): void {
    this.#tellAllTo(connection)
    this.#tell(connection, this.#describe(connection))
  }

  /**
   * Notes what a connection looks at. A connection that has gone meanwhile is ignored: telling it
   * would bring it back, and nothing would remove it again.
   */
  setViewing(connection: Connection, conversation_id: string | null): void {
    if (!connection.socket.connected) return
    if (this.#viewing.get(connection) === conversation_id) return
    this.#viewing.set(connection, conversation_id)
    const { user_id } = connection.identity
    const pending = this.#pending.get(user_id)
    if (pending) pending.add(connection)
    else this.#tellViewing(user_id, new Set([connection]))
  }

  /**
   * Tells what these connections look at now. Then collects further changes for a pause that grows
   * with the number of devices told, so that one user takes only a small share of the processor.
   */
  #tellViewing(user_id: string, changed: ReadonlySet<Connection>): void {
    const pending = new Set<Connection>()
    this.#pending.set(user_id, pending)
    let told = 0
    for (const connection of changed)
      if (connection.socket.connected) told += this.#tell(connection, this.#describe(connection))
    setTimeout(
      () => {
        this.#pending.delete(user_id)
        if (pending.size > 0) this.#tellViewing(user_id, pending)
      },
      Math.max(MIN_PAUSE_MS, told * PAUSE_PER_EVENT_MS),
    ).unref()
  }

  disconnected(connection: Connection): void {
    const { session_id, device, user_id } = connection.identity
    const connection_id = connection.socket.id
    this.#tell(connection, { session_id, connection_id, device, online: false })
    if (!this.#hasLocalConnections(user_id)) this.#remote.delete(user_id)
  }

  /** Takes the update of another node. */
  applyUpdate(user_id: string, update: PresenceUpdate): void {
    // The update was meant for a connection that has gone. Nothing would ever correct it.
    if (!this.#hasLocalConnections(user_id)) return
    const { presence } = update
    const known = this.#remote.get(user_id) ?? new Map<string, PresenceUpdate>()
    const before = known.get(presence.connection_id)
    if (presence.online) known.set(presence.connection_id, update)
    else known.delete(presence.connection_id)
    if (known.size > 0) this.#remote.set(user_id, known)
    else this.#remote.delete(user_id)
    const isNews = presence.online
      ? before?.presence.viewing !== presence.viewing || !before
      : before !== undefined
    if (isNews) this.#emit(user_id, presence)
  }

  /** Takes the snapshot of another node. Connections that it does not name are gone. */
  applySnapshot(user_id: string, { node, present }: PresenceSnapshot): void {
    const named = new Set(present.map(({ connection_id }) => connection_id))
    this.#removeRemote(
      user_id,
      (known) => known.node === node && !named.has(known.presence.connection_id),
    )
    for (const presence of present) this.applyUpdate(user_id, { node, presence })
  }

  /** All connections of the user on this node. */
  snapshot(user_id: string): PresenceSnapshot {
    const connections = [...this.#deps.localConnections(user_id)]
    return {
      node: this.#deps.node,
      present: connections.map((connection) => this.#describe(connection)),
    }
  }

  /** To be called when the other nodes can be heard (again): their connections may have changed. */
  exchangeSnapshots(user_id: string): void {
    this.#deps.exchangeSnapshots(user_id, this.snapshot(user_id))
  }

  /** What this node knows of the connections on each other node, by node. */
  digests(): Map<string, PresenceDigest[]> {
    const digests = new Map<string, PresenceDigest[]>()
    for (const [user_id, known] of this.#remote) {
      const byNode = Map.groupBy(known.values(), ({ node }) => node)
      for (const [node, updates] of byNode) {
        const connection_ids = updates.map(({ presence }) => presence.connection_id)
        const ofNode = digests.get(node)
        if (ofNode) ofNode.push([user_id, connection_ids])
        else digests.set(node, [[user_id, connection_ids]])
      }
    }
    return digests
  }

  /** The corrections of those digests that are wrong about this node. */
  correctionsOf(digests: readonly PresenceDigest[]): PresenceCorrection[] {
    return digests.flatMap(([user_id, connection_ids]): PresenceCorrection[] => {
      const { present } = this.snapshot(user_id)
      const actual = new Set(present.map(({ connection_id }) => connection_id))
      const isRight =
        actual.size === connection_ids.length && connection_ids.every((id) => actual.has(id))
      return isRight ? [] : [[user_id, present]]
    })
  }

  /** Forgets the connections on nodes that are no longer alive. */
  forgetDeadNodes(isAlive: (node: string) => boolean): void {
    for (const user_id of [...this.#remote.keys()])
      this.#removeRemote(user_id, ({ node }) => !isAlive(node))
  }

  #removeRemote(user_id: string, isGone: (known: PresenceUpdate) => boolean): void {
    for (const known of [...(this.#remote.get(user_id)?.values() ?? [])])
      if (isGone(known))
        this.applyUpdate(user_id, { ...known, presence: { ...known.presence, online: false } })
  }

  #hasLocalConnections(user_id: string): boolean {
    return [...this.#deps.localConnections(user_id)].length > 0
  }

  #describe(connection: Connection): PresenceEvent {
    const { session_id, device } = connection.identity
    const viewing = this.#viewing.get(connection)
    const presence = { session_id, connection_id: connection.socket.id, device, online: true }
    return viewing === undefined ? presence : { ...presence, viewing }
  }

  /** Returns how many connections of this node have been told. */
  #tell(connection: Connection, presence: PresenceEvent): number {
    const { user_id } = connection.identity
    this.#deps.sendUpdate(user_id, { node: this.#deps.node, presence })
    return this.#emit(user_id, presence, connection)
  }

  #emit(user_id: string, presence: PresenceEvent, except?: Connection): number {
    let told = 0
    for (const connection of this.#deps.localConnections(user_id)) {
      if (connection === except) continue
      told++
      if (presence.online && connection.transport.isBusy()) this.#catchUpWhenFree(connection)
      else connection.socket.emit('presence', presence)
    }
    return told
  }

  /**
   * An event for a busy connection would wait in its backlog and be out of date when it arrives.
   */
  #catchUpWhenFree(connection: Connection): void {
    if (this.#behind.has(connection)) return
    this.#behind.add(connection)
    connection.transport.whenFree(() => {
      this.#behind.delete(connection)
      if (connection.socket.connected) this.#tellAllTo(connection)
    })
  }

  /** Tells a connection of all others. */
  #tellAllTo(connection: Connection): void {
    const { user_id } = connection.identity
    for (const other of this.#deps.localConnections(user_id))
      if (other !== connection) connection.socket.emit('presence', this.#describe(other))
    for (const { presence } of this.#remote.get(user_id)?.values() ?? [])
      connection.socket.emit('presence', presence)
  }
}
