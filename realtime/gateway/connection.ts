// A device's connection: its socket in the namespace of one topic, and what belongs to that socket
// once it has been admitted.
import type { DefaultEventsMap, Namespace, Server, Socket } from 'socket.io'
import type { Cursor } from '@lockstep/protocol/cursor'
import type { ServerEvents } from '@lockstep/protocol/sync'
import type { Topic } from '@lockstep/protocol/topics'
import type { Identity } from '../auth/sessions.ts'
import type { Device } from './device.ts'
import type { DeviceTransport } from './transport.ts'

/** The part of a signed-in identity that a connection needs. */
export type ConnectionIdentity = Pick<
  Identity,
  'user_id' | 'session_id' | 'device' | 'token' | 'expires_at'
> &
  Partial<Pick<Identity, 'username'>>

/** What admission has found out about a socket. Socket.IO keeps it as `socket.data`. */
export interface HandshakeData {
  identity: ConnectionIdentity
  /** The cursor of the device. Undefined: the device holds nothing. */
  since: Cursor | undefined
}

/** A node asks the others which sessions of a user have a socket there. */
export interface NodeEvents {
  online: (user_id: string, answer: (session_ids: string[]) => void) => void
}

export type TopicServer = Server<DefaultEventsMap, ServerEvents, NodeEvents, HandshakeData>
export type TopicNamespace = Namespace<DefaultEventsMap, ServerEvents, NodeEvents, HandshakeData>
export type TopicSocket = Socket<DefaultEventsMap, ServerEvents, NodeEvents, HandshakeData>

/** A socket that has joined its rooms and does not have its device yet. */
export interface JoinedSocket {
  topic: Topic
  identity: ConnectionIdentity
  socket: TopicSocket
  transport: DeviceTransport
}

export interface Connection extends JoinedSocket {
  device: Device
  /** Whether the session was still alive after the socket had joined its rooms. */
  sessionAlive: Promise<boolean>
}

/** The Socket.IO room of all sockets of a user. */
export const userRoom = (user_id: string): string => `user:${user_id}`
/** The user whose room it is, or undefined for another kind of room. */
export const userOfRoom = (room: string): string | undefined =>
  room.startsWith('user:') ? room.slice('user:'.length) : undefined
/** The Socket.IO room of all sockets of a session. */
export const sessionRoom = (session_id: string): string => `session:${session_id}`
/** Names a user's log of one topic, as `Log.heads` does. */
export const logKey = (user_id: string, topic: Topic): string => `${user_id}:${topic}`
