// Which connections of a user are there and what they look at. Nothing is stored: each node tells the others of its own connections,
// and forgets those of a node that is gone. Only devices on the `account` topic are told.
import type { Presence as PresenceEvent } from '../../protocol/sync.ts'
import type { Member } from './member.ts'

/** What nodes tell each other of one connection. */
export interface Announcement {
  node: string
  presence: PresenceEvent
}

export interface PresencePorts {
  node: string
  /** Devices of the user on this node. */
  local(user_id: string): Iterable<Member>
  /** To the other nodes that have devices of this user. */
  announce(user_id: string, announcement: Announcement): void
  /** Asks the other nodes to announce theirs. */
  ask(user_id: string): void
}

export class Presence {
  readonly #ports: PresencePorts
  readonly #viewing = new WeakMap<Member, string | null>()
  /** Connections on other nodes by user and connection id. */
  readonly #remote = new Map<string, Map<string, Announcement>>()

  constructor(ports: PresencePorts) {
    this.#ports = ports
  }

  /** A device came: it learns who is there, the others learn of it. */
  arrived(member: Member): void {
    const { user_id } = member.identity
    for (const other of this.#ports.local(user_id))
      if (other !== member) member.socket.emit('presence', this.#describe(other))
    for (const { presence } of this.#remote.get(user_id)?.values() ?? []) member.socket.emit('presence', presence)
    this.#tell(member, this.#describe(member))
  }

  looksAt(member: Member, conversation_id: string | null): void {
    if (this.#viewing.get(member) === conversation_id) return
    this.#viewing.set(member, conversation_id)
    this.#tell(member, this.#describe(member))
  }

  left(member: Member): void {
    const { session_id, device, user_id } = member.identity
    this.#tell(member, { session_id, connection_id: member.socket.id, device, online: false })
    if ([...this.#ports.local(user_id)].length === 0) this.#remote.delete(user_id)
  }

  /** Another node told of a connection of its own. */
  heard(user_id: string, announcement: Announcement): void {
    const { presence } = announcement
    const known = this.#remote.get(user_id) ?? new Map<string, Announcement>()
    const before = known.get(presence.connection_id)
    if (presence.online) known.set(presence.connection_id, announcement)
    else known.delete(presence.connection_id)
    if (known.size > 0) this.#remote.set(user_id, known)
    else this.#remote.delete(user_id)
    const news = presence.online ? before?.presence.viewing !== presence.viewing || !before : before !== undefined
    if (news) this.#emit(user_id, presence)
  }

  /** Another node asks for this node's connections of a user. */
  asked(user_id: string): void {
    for (const member of this.#ports.local(user_id)) this.#announce(user_id, this.#describe(member))
  }

  /** The other nodes can be heard (again): what they have of this node's users may have changed. */
  ask(user_id: string): void {
    this.asked(user_id)
    this.#ports.ask(user_id)
  }

  /** What was known of other nodes' connections counts as gone, but for those of the nodes that live. */
  forget(isAlive: (node: string) => boolean): void {
    for (const [user_id, known] of [...this.#remote])
      for (const { node, presence } of [...known.values()])
        if (!isAlive(node)) this.heard(user_id, { node, presence: { ...presence, online: false } })
  }

  #describe(member: Member): PresenceEvent {
    const { session_id, device } = member.identity
    const viewing = this.#viewing.get(member)
    const presence = { session_id, connection_id: member.socket.id, device, online: true }
    return viewing === undefined ? presence : { ...presence, viewing }
  }

  #tell(member: Member, presence: PresenceEvent): void {
    const { user_id } = member.identity
    this.#emit(user_id, presence, member)
    this.#announce(user_id, presence)
  }

  #announce(user_id: string, presence: PresenceEvent): void {
    this.#ports.announce(user_id, { node: this.#ports.node, presence })
  }

  #emit(user_id: string, presence: PresenceEvent, except?: Member): void {
    for (const member of this.#ports.local(user_id)) if (member !== except) member.socket.emit('presence', presence)
  }
}
