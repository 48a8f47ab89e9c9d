// The gateway owns delivery: it is the only place that knows Socket.IO, and whatever the feed brings, each device gets its topic's log
// without a gap, a repetition or another user's byte.
import type { IncomingMessage, Server as HttpServer } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import type { WireChange } from '@lockstep/protocol/change'
import type { Fault } from '@lockstep/protocol/errors'
import { newId } from '@lockstep/protocol/ids'
import type { Delta } from '@lockstep/protocol/sync'
import { topics, type Topic } from '@lockstep/protocol/topics'
import type { Execute } from '../commands/commands.ts'
import type { Logger } from '../observability/logger.ts'
import type { Log } from '../log/log.ts'
import type { Metrics } from '../observability/metrics.ts'
import type { Link } from '../redis/link.ts'
import { createAdmission } from './admission.ts'
import { createGatewayMetrics, type GatewayMetrics } from './metrics.ts'
import { Semaphore } from '../concurrency/semaphore.ts'
import { HeadReader } from './head-reader.ts'
import { Hub } from './hub.ts'
import { alone, joinNeighbours } from './neighbours.ts'
import {
  sessionRoom,
  userRoom,
  type AdmittedConnection,
  type Identity,
  type TopicSocket,
} from './connection.ts'
import { createRequests } from './requests.ts'
import { SessionWatch } from './session-watch.ts'
import { gatewaySettings, type GatewaySettings } from './settings.ts'
import { serveTopic } from './topic.ts'
import { openTransport } from './transport.ts'

export interface GatewayOptions {
  httpServer: HttpServer
  sessions: {
    /** `request`: of the handshake. */
    identify(
      cookieHeader: string | undefined,
      request?: IncomingMessage,
    ): Promise<Identity | undefined>
    /** Until when each is alive; those that aren't are left out. */
    alive(sessionIds: readonly string[]): Promise<Map<string, Date>>
  }
  /** Both as in the request's headers. */
  originAllowed(origin: string | undefined, host: string | undefined): boolean
  log: Pick<Log, 'heads' | 'range'>
  execute: Execute
  toFault(error: unknown): Fault
  logger: Logger
  metrics: Metrics
  /** To the other nodes; absent: there are none. */
  link?: Link
  /** Told of each change that another node has sent, besides the devices. */
  relayed?(user_id: string, change: WireChange): void
  settings?: GatewaySettings
}

export interface Gateway {
  /** Hands a change to the own devices of the user first, then, when `everywhere`, to the other nodes. Never waits. */
  deliver(user_id: string, change: WireChange, everywhere?: boolean): void
  /** Streamed text between durable changes, to the user's devices on all nodes; may be lost. */
  delta(user_id: string, topic: 'conversations' | 'agents', delta: Delta): void
  /** Until the answer is called, other nodes' changes of this user come here (`relayed`) although no device of the user may be here. */
  follow(user_id: string, topic: Topic): () => void
  /** Ends every socket of these sessions on all nodes, in all namespaces, the own ones at once. */
  disconnectSessions(sessionIds: readonly string[]): void
  /** Sessions of this user that have a socket on any node now. */
  onlineSessions(user_id: string): Promise<Set<string>>
  /** Pushes to all devices what they lack by the database's heads; ends when the database could be asked. Never rejects. */
  compareHeads(): Promise<void>
  /** Tells all devices to move, refuses new ones, and closes what is still there after `reconnectWithinMs`. */
  drain(reconnectWithinMs: number): Promise<void>
  /** Closes all sockets, after the commands that run now. The HTTP server stays as it is. */
  stop(): Promise<void>
}

/** Attaches the four namespaces to the HTTP server. */
export function startGateway(options: GatewayOptions): Gateway {
  const {
    httpServer,
    sessions,
    log,
    logger,
    metrics,
    toFault,
    link,
    settings = gatewaySettings,
  } = options
  const { relayed = () => undefined } = options
  const { timings } = settings
  const { io, emptied, close } = openTransport(httpServer, settings)
  let draining = false
  let stopped: Promise<void> | undefined

  const pause = (attempt: number) =>
    sleep(Math.random() * Math.min(timings.retry[1], timings.retry[0] * 2 ** attempt), undefined, {
      ref: false,
    })
  const hub = new Hub({
    log,
    logger,
    graceMs: timings.grace,
    pause,
    behind: () => figures.behind(),
  })
  const figures = createGatewayMetrics(metrics, () => hub.all())
  const heads = new HeadReader(log)
  const neighbours = link
    ? joinNeighbours({ io, link, hub, heads, logger, compareEvery: timings.presence, relayed })
    : alone(hub)
  const { presence } = neighbours
  const end = (
    { socket }: AdmittedConnection,
    reason: 'revoked' | 'expired' | 'orphaned' | 'flooding',
  ) => {
    if (!socket.connected) return
    figures.ended(reason)
    socket.disconnect(true)
  }
  const watch = new SessionWatch({ ...sessions, end, logger })
  const gate = new Semaphore(settings.catchUps)
  const requests = createRequests({
    execute: options.execute,
    log,
    reads: gate,
    flooded: (member) => end(member, 'flooding'),
    viewing: (member, conversation_id) => presence.looksAt(member, conversation_id),
    toFault,
    logger,
    settings,
    answered: figures.answered,
  })

  const refused = (fault: Fault, { nsp, handshake }: TopicSocket) => {
    figures.refused(fault.code)
    if (fault.code === 'internal') logger.error({ err: fault.cause ?? fault }, 'a handshake broke')
    else
      logger.info(
        { topic: nsp.name.slice(1), code: fault.code, address: handshake.address },
        'a handshake was refused',
      )
  }
  const { identify } = sessions
  const { originAllowed } = options
  const { serve } = requests
  for (const topic of topics) {
    const namespace = io.of(`/${topic}`)
    const sockets = (user_id: string) => hub.of(user_id, topic).size
    const admission = {
      identify,
      originAllowed,
      toFault,
      draining: () => draining,
      sockets,
      settings,
    }
    namespace.use(createAdmission(admission, refused))
    serveTopic(namespace, topic, {
      hub,
      heads,
      gate,
      log,
      watch,
      presence,
      figures,
      logger,
      settings,
      serve,
      end,
      pause,
    })
  }

  const timers = [
    repeat(0, () => hub.heartbeat(timings.heartbeat)), // spreads itself over the interval
    repeat(timings.heartbeat, () => watch.check(hub.all())),
    repeat(Math.min(timings.slow, timings.pong) / 4, () => endDead(hub, timings, figures)),
  ]

  async function stop(): Promise<void> {
    draining = true
    for (const timer of timers) timer.stop()
    hub.stop()
    neighbours.stop()
    await Promise.race([requests.idle(), sleep(timings.stop, undefined, { ref: false })])
    for (const topic of topics) {
      io.of(`/${topic}`).local.disconnectSockets(true)
      await io.of(`/${topic}`).adapter.close()
    }
    await close()
  }

  return {
    deliver(user_id, change, everywhere = true) {
      hub.change(user_id, change)
      // ends the connections of devices of `account`, each behind what it was told; and those of others, for which nothing else might
      if (change.op === 'closed' && change.topic === 'account')
        setTimeout(() => {
          for (const topic of topics)
            for (const member of [...hub.of(user_id, topic)]) end(member, 'orphaned')
        }, timings.farewell).unref()
      if (everywhere)
        neighbours.send({ topic: change.topic, user_id, event: 'change', payload: change })
    },
    delta(user_id, topic, delta) {
      hub.delta(user_id, topic, delta)
      neighbours.send({ topic, user_id, event: 'delta', payload: delta })
    },
    follow(user_id, topic) {
      const { adapter } = io.of(`/${topic}`)
      const id = newId() // of no socket: a member of the room that is there for the subscription alone
      void adapter.addAll(id, new Set([userRoom(user_id)]))
      return () => void adapter.delAll(id)
    },
    disconnectSessions(sessionIds) {
      if (sessionIds.length === 0) return
      const rooms = sessionIds.map(sessionRoom)
      for (const topic of topics) io.of(`/${topic}`).local.in(rooms).disconnectSockets(true)
      if (link) for (const topic of topics) io.of(`/${topic}`).in(rooms).disconnectSockets(true)
    },
    onlineSessions: (user_id) => neighbours.onlineSessions(user_id),
    compareHeads: () => hub.compareAll(),
    async drain(reconnectWithinMs) {
      draining = true
      for (const topic of topics)
        io.of(`/${topic}`).local.emit('draining', { reconnect_within_ms: reconnectWithinMs })
      await Promise.race([emptied(), sleep(reconnectWithinMs, undefined, { ref: false })])
    },
    stop: () => (stopped ??= stop()),
  }
}

/** A connection that takes nothing keeps memory, and one that says nothing keeps its device online: neither comes back to life by itself. */
function endDead(
  hub: Hub,
  { slow, pong }: GatewaySettings['timings'],
  figures: GatewayMetrics,
): Promise<void> {
  for (const wire of new Set([...hub.all()].map(({ wire }) => wire))) {
    const isStuck = wire.stuckFor() > slow
    if (!isStuck && wire.overdueFor() <= pong) continue
    figures.ended(isStuck ? 'slow' : 'silent')
    wire.terminate()
  }
  return Promise.resolve()
}

/** Runs a job every so often, never twice at the same time. */
function repeat(everyMs: number, job: () => Promise<void>) {
  let stopped = false
  const run = async () => {
    while (!stopped) {
      await sleep(everyMs, undefined, { ref: false })
      if (!stopped) await job()
    }
  }
  void run()
  return { stop: () => (stopped = true) }
}
