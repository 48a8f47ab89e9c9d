// Which connections of a user are there and what they look at. Nothing is stored: each node tells the others of its own connections,
// and forgets those of a node that is gone. What nodes tell may get lost, so now and then each says what it believes of the others, who
// answer with the complete list where that is wrong. Only devices on the `account` topic are told.
import type { Presence as PresenceEvent } from '@lockstep/protocol/sync'
import type { Connection } from './connection.ts'

/** What nodes tell each other of one connection. */
export interface Announcement {
  node: string
  presence: PresenceEvent
}

/** All connections of one user on one node. */
export interface Listing {
  node: string
  present: PresenceEvent[]
}

/** A user, and the connections that another node is believed to have of them. */
export type Belief = [user_id: string, connection_ids: string[]]
/** A user, and all connections that this node has of them. */
export type Correction = [user_id: string, present: PresenceEvent[]]

export interface PresencePorts {
  node: string
  /** Devices of the user on this node. */
  local(user_id: string): Iterable<Connection>
  /** To the other nodes that have devices of this user. */
  announce(user_id: string, announcement: Announcement): void
  /** To the same nodes: this is all that is here, what is there? */
  ask(user_id: string, here: Listing): void
}

export class Presence {
  readonly #ports: PresencePorts
  readonly #viewing = new WeakMap<Connection, string | null>()
  /** Connections on other nodes by user and connection id. */
  readonly #remote = new Map<string, Map<string, Announcement>>()

  constructor(ports: PresencePorts) {
    this.#ports = ports
  }

  /** A device came: it learns who is there, the others learn of it. */
  arrived(member: Connection): void {
    const { user_id } = member.identity
    for (const other of this.#ports.local(user_id))
      if (other !== member) member.socket.emit('presence', this.#describe(other))
    for (const { presence } of this.#remote.get(user_id)?.values() ?? [])
      member.socket.emit('presence', presence)
    this.#tell(member, this.#describe(member))
  }

  /** One that has left meanwhile looks at nothing: telling it would bring it back, and nobody would take it away again. */
  looksAt(member: Connection, conversation_id: string | null): void {
    if (!member.socket.connected) return
    if (this.#viewing.get(member) === conversation_id) return
    this.#viewing.set(member, conversation_id)
    this.#tell(member, this.#describe(member))
  }

  left(member: Connection): void {
    const { session_id, device, user_id } = member.identity
    this.#tell(member, { session_id, connection_id: member.socket.id, device, online: false })
    if (this.#isNobodyHere(user_id)) this.#remote.delete(user_id)
  }

  /** Another node told of a connection of its own. */
  heard(user_id: string, announcement: Announcement): void {
    // told to a device that has left by now: nobody would ever correct it
    if (this.#isNobodyHere(user_id)) return
    const { presence } = announcement
    const known = this.#remote.get(user_id) ?? new Map<string, Announcement>()
    const before = known.get(presence.connection_id)
    if (presence.online) known.set(presence.connection_id, announcement)
    else known.delete(presence.connection_id)
    if (known.size > 0) this.#remote.set(user_id, known)
    else this.#remote.delete(user_id)
    const news = presence.online
      ? before?.presence.viewing !== presence.viewing || !before
      : before !== undefined
    if (news) this.#emit(user_id, presence)
  }

  /** Another node told all that it has of this user: what it doesn't name is gone. */
  listed(user_id: string, { node, present }: Listing): void {
    const named = new Set(present.map(({ connection_id }) => connection_id))
    this.#drop(user_id, (known) => known.node === node && !named.has(known.presence.connection_id))
    for (const presence of present) this.heard(user_id, { node, presence })
  }

  /** All that this node has of a user. */
  listing(user_id: string): Listing {
    return {
      node: this.#ports.node,
      present: [...this.#ports.local(user_id)].map((member) => this.#describe(member)),
    }
  }

  /** The other nodes can be heard (again): what each has of this user may have changed. */
  ask(user_id: string): void {
    this.#ports.ask(user_id, this.listing(user_id))
  }

  /** What is believed of each of the other nodes. */
  beliefs(): Map<string, Belief[]> {
    const beliefs = new Map<string, Belief[]>()
    for (const [user_id, known] of this.#remote) {
      const byNode = Map.groupBy(known.values(), ({ node }) => node)
      for (const [node, announcements] of byNode) {
        const belief: Belief = [
          user_id,
          announcements.map(({ presence }) => presence.connection_id),
        ]
        const others = beliefs.get(node)
        if (others) others.push(belief)
        else beliefs.set(node, [belief])
      }
    }
    return beliefs
  }

  /** Where another node is wrong about this one. */
  corrections(beliefs: readonly Belief[]): Correction[] {
    return beliefs.flatMap(([user_id, believed]) => {
      const { present } = this.listing(user_id)
      const here = new Set(present.map(({ connection_id }) => connection_id))
      const isRight =
        here.size === believed.length && believed.every((connection_id) => here.has(connection_id))
      return isRight ? [] : [[user_id, present]]
    })
  }

  /** What was known of other nodes' connections counts as gone, but for those of the nodes that live. */
  forget(isAlive: (node: string) => boolean): void {
    for (const user_id of [...this.#remote.keys()])
      this.#drop(user_id, ({ node }) => !isAlive(node))
  }

  #drop(user_id: string, isGone: (known: Announcement) => boolean): void {
    for (const known of [...(this.#remote.get(user_id)?.values() ?? [])])
      if (isGone(known))
        this.heard(user_id, { ...known, presence: { ...known.presence, online: false } })
  }

  #isNobodyHere(user_id: string): boolean {
    return [...this.#ports.local(user_id)].length === 0
  }

  #describe(member: Connection): PresenceEvent {
    const { session_id, device } = member.identity
    const viewing = this.#viewing.get(member)
    const presence = { session_id, connection_id: member.socket.id, device, online: true }
    return viewing === undefined ? presence : { ...presence, viewing }
  }

  #tell(member: Connection, presence: PresenceEvent): void {
    const { user_id } = member.identity
    this.#emit(user_id, presence, member)
    this.#ports.announce(user_id, { node: this.#ports.node, presence })
  }

  #emit(user_id: string, presence: PresenceEvent, except?: Connection): void {
    for (const member of this.#ports.local(user_id))
      if (member !== except) member.socket.emit('presence', presence)
  }
}
