// A socket in a topic's namespace, and what belongs to it once it has been admitted.
import type { DefaultEventsMap, Namespace, Server, Socket } from 'socket.io'
import type { Cursor } from '@lockstep/protocol/cursor'
import type { ServerEvents } from '@lockstep/protocol/sync'
import type { Topic } from '@lockstep/protocol/topics'
import type { Device } from './device.ts'
import type { Wire } from './wire.ts'

/** Who is behind a connection, from its cookie. */
export interface Identity {
  user_id: string
  session_id: string
  /** A readable name made from the User-Agent. */
  device: string
  expires_at: Date
}

/** What the middleware found out. */
export interface Admitted {
  identity: Identity
  since: Cursor | undefined
}

/** What one node asks another; the answer: which of the user's sessions have a socket there. */
export interface NodeEvents {
  online: (user_id: string, answer: (session_ids: string[]) => void) => void
}

export type TopicServer = Server<DefaultEventsMap, ServerEvents, NodeEvents, Admitted>
export type TopicNamespace = Namespace<DefaultEventsMap, ServerEvents, NodeEvents, Admitted>
export type TopicSocket = Socket<DefaultEventsMap, ServerEvents, NodeEvents, Admitted>

export interface AdmittedConnection {
  topic: Topic
  identity: Identity
  socket: TopicSocket
  wire: Wire
}

export interface Connection extends AdmittedConnection {
  device: Device
  /** Resolves to whether the session was still alive once the socket had joined its rooms. */
  verified: Promise<boolean>
}

export const userRoom = (user_id: string): string => `user:${user_id}`
/** The user of a room; undefined for other rooms. */
export const userOf = (room: string): string | undefined =>
  room.startsWith('user:') ? room.slice(5) : undefined
export const sessionRoom = (session_id: string): string => `session:${session_id}`
