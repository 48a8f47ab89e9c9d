// The one implementation of a topic's namespace; the four differ only in their commands.
import type { WireChange } from '@lockstep/protocol/change'
import type { Logger } from '../observability/logger.ts'
import type { Log } from '../log/log.ts'
import type { Topic } from '@lockstep/protocol/topics'
import type { ServerEvents, Sync } from '@lockstep/protocol/sync'
import { Device } from './device.ts'
import type { GatewayMetrics } from './metrics.ts'
import type { Semaphore } from '../concurrency/semaphore.ts'
import type { HeadReader } from './head-reader.ts'
import type { Hub } from './hub.ts'
import {
  sessionRoom,
  userRoom,
  type AdmittedConnection,
  type Connection,
  type TopicNamespace,
  type TopicSocket,
} from './connection.ts'
import type { Presence } from './presence.ts'
import type { SessionWatch } from './session-watch.ts'
import type { GatewaySettings } from './settings.ts'
import { wireOf } from './wire.ts'

export interface TopicPorts {
  hub: Hub
  heads: HeadReader
  gate: Semaphore
  log: Pick<Log, 'range'>
  watch: SessionWatch
  presence: Presence
  figures: GatewayMetrics
  logger: Logger
  settings: GatewaySettings
  serve(member: Connection): void
  end(connection: AdmittedConnection, reason: 'revoked' | 'expired' | 'orphaned'): void
  pause(attempt: number): Promise<void>
}

/** Serves what the namespace's middleware has admitted. */
export function serveTopic(namespace: TopicNamespace, topic: Topic, ports: TopicPorts): void {
  namespace.on('connection', (socket) => {
    welcome(socket, topic, ports).catch((error: unknown) => {
      ports.logger.error({ err: error, topic }, 'a device could not be served')
      socket.disconnect(true)
    })
  })
}

async function welcome(socket: TopicSocket, topic: Topic, ports: TopicPorts): Promise<void> {
  const { hub, watch, presence } = ports
  const { identity, since } = socket.data
  // the rooms first: what is read from now on, session and log, can't be overtaken by what they would have brought
  void socket.join([userRoom(identity.user_id), sessionRoom(identity.session_id)])
  const connection = { topic, identity, socket, wire: wireOf(socket.conn, ports.settings.wire) }
  const verified = watch.verify(identity.session_id)
  const member: Connection = { ...connection, verified, device: createDevice(connection, ports) }
  hub.add(member)
  watch.watch(member)
  ports.serve(member)
  socket.on('disconnect', () => {
    hub.remove(member)
    watch.unwatch(member)
    member.device.leave()
    if (topic === 'account') presence.left(member)
  })
  if (!(await verified)) return ports.end(member, 'revoked')
  if (!socket.connected) return
  if (topic === 'account') presence.arrived(member)
  await member.device.join(since)
}

function createDevice(connection: AdmittedConnection, ports: TopicPorts): Device {
  const { topic, identity, socket, wire } = connection
  const { user_id } = identity
  return new Device({
    outlet: {
      emit: (event, payload) => {
        ports.figures.emitted(event)
        socket.emit(event, ...([payload] as Parameters<ServerEvents[typeof event]>))
        // the connection closes behind what has been written; later than this emit, which its state machine is in the middle of
        if (topic === 'account' && hasClosed(payload))
          setImmediate(() => ports.end(connection, 'orphaned'))
      },
      busy: () => wire.busy(),
      whenFree: (callback) => wire.whenFree(callback),
    },
    limits: ports.settings.pending,
    head: () => ports.heads.read(`${user_id}:${topic}`),
    range: (after) => ports.gate.run(() => ports.log.range(user_id, topic, after)),
    pause: ports.pause,
    moved: (from, to) => ports.figures.moved(topic, from, to),
    orphaned: () => ports.end(connection, 'orphaned'),
  })
}

/** Does a `change` or a `sync` tell that its topic is closed? */
function hasClosed(payload: object): boolean {
  const { op, changes } = payload as Partial<WireChange & Sync>
  return (op ?? changes?.at(-1)?.op) === 'closed'
}
