// The namespace of a topic. The namespaces of all topics are served alike; they differ only in
// their commands.
import type { WireChange } from '@lockstep/protocol/change'
import type { Delta, ServerEvents } from '@lockstep/protocol/sync'
import type { Topic } from '@lockstep/protocol/topics'
import type { Semaphore } from '../concurrency/semaphore.ts'
import type { Log, LogRange } from '../log/log.ts'
import type { Logger } from '../observability/logger.ts'
import type { AnswerBudget } from '../auth/answer-budget.ts'
import { shareTurn } from '../concurrency/turns.ts'
import type { ConnectionRegistry } from './connection-registry.ts'
import {
  sessionRoom,
  userRoom,
  type Connection,
  type JoinedSocket,
  type TopicNamespace,
  type TopicSocket,
} from './connection.ts'
import { Device } from './device.ts'
import { refuseFrames } from './frame-decoder.ts'
import type { HeadReader } from './head-reader.ts'
import type { EndReason, GatewayMetrics } from './metrics.ts'
import type { Presence } from './presence.ts'
import type { SessionWatch } from './session-watch.ts'
import type { GatewaySettings } from './settings.ts'
import { emitShared } from './shared-frames.ts'
import { admitLargeFrames } from './socket-server.ts'
import type { Transports } from './transport.ts'

export interface TopicNamespaceDeps {
  registry: ConnectionRegistry
  headReader: HeadReader
  log: Pick<Log, 'range'>
  /** Limits the reads of the log. */
  logReads: Semaphore
  transports: Transports
  answerBudget: AnswerBudget
  sessionWatch: SessionWatch
  presence: Presence
  gatewayMetrics: GatewayMetrics
  logger: Logger
  settings: GatewaySettings
  /** Serves the commands of the connection. */
  serveRequests(connection: Connection): void
  end(socket: JoinedSocket, reason: EndReason): void
  /** Waits before the `attempt`-th repetition of a failed read. */
  pause(attempt: number): Promise<void>
}

/** Serves every socket that the namespace's middleware has admitted. */
export function serveTopic(
  namespace: TopicNamespace,
  topic: Topic,
  deps: TopicNamespaceDeps,
): void {
  namespace.on('connection', (socket) => {
    serveSocket(socket, topic, deps).catch((error: unknown) => {
      deps.logger.error({ err: error, topic }, 'a device could not be served')
      socket.disconnect(true)
    })
  })
}

async function serveSocket(
  socket: TopicSocket,
  topic: Topic,
  deps: TopicNamespaceDeps,
): Promise<void> {
  const { registry, sessionWatch, presence } = deps
  const { identity, since } = socket.data
  // The rooms are joined before the session and the log are read (GATE-1, GATE-6). Whatever happens
  // after a read then reaches the socket through a room.
  void socket.join([userRoom(identity.user_id), sessionRoom(identity.session_id)])
  admitLargeFrames(socket.conn)
  const transport = deps.transports.of(socket.conn, identity.user_id)
  refuseFrames(socket, () => transport.waitMs)
  const joined: JoinedSocket = { topic, identity, socket, transport }
  const sessionAlive = sessionWatch.isAlive(identity.session_id)
  const connection: Connection = { ...joined, sessionAlive, device: createDevice(joined, deps) }
  registry.add(connection)
  sessionWatch.watch(connection)
  deps.serveRequests(connection)
  socket.on('disconnect', () => {
    registry.remove(connection)
    sessionWatch.unwatch(connection)
    connection.device.leave()
    if (topic === 'account') presence.disconnected(connection)
  })
  if (!(await sessionAlive)) return deps.end(connection, 'revoked')
  if (!socket.connected) return
  if (topic === 'account') presence.connected(connection)
  await connection.device.join(since)
}

function createDevice(joined: JoinedSocket, deps: TopicNamespaceDeps): Device {
  const { topic, identity, socket, transport } = joined
  const { user_id } = identity
  const { answerBudget } = deps

  async function readRange(seq: number): Promise<LogRange> {
    await answerBudget.ready(user_id, () => !socket.connected)
    const range = await deps.logReads.run(() => deps.log.range(user_id, topic, seq))
    await shareTurn() // what was read is written at once
    return range
  }

  return new Device({
    output: {
      emit: (event, ...args) => {
        deps.gatewayMetrics.eventEmitted(event)
        const [payload] = args
        // Assertion: the tuple of an event's arguments belongs to the event's name.
        if (event === 'change' || event === 'delta')
          emitShared(socket, topic, event, payload as WireChange | Delta)
        else {
          const bytes = transport.measure(() => void socket.emit(event, ...args))
          if (event === 'sync') answerBudget.count(user_id, bytes)
        }
        // LOG-7: the connection ends after the device has been told. It ends after this call,
        // because the device's state machine is in the middle of a transition.
        if (topic === 'account' && tellsClosed(args[0]))
          setImmediate(() => deps.end(joined, 'orphaned'))
      },
      isBusy: () => transport.isBusy(),
      whenFree: (callback) => transport.whenFree(callback),
    },
    limits: deps.settings.buffer,
    readHead: () => deps.headReader.read(user_id, topic),
    readRange,
    pause: deps.pause,
    onStateChange: (from, to) => deps.gatewayMetrics.deviceStateChanged(topic, from, to),
    onUserGone: () => deps.end(joined, 'orphaned'),
  })
}

/** True if the event tells that its topic is closed: a `change`, or a `sync` that ends with one. */
function tellsClosed(payload: Parameters<ServerEvents[keyof ServerEvents]>[0]): boolean {
  if ('op' in payload) return payload.op === 'closed'
  return 'changes' in payload && payload.changes.at(-1)?.op === 'closed'
}
