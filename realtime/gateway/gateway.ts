// The gateway owns delivery, and it is the only part that knows Socket.IO. Whatever the feed
// brings, each device gets the log of its topic without a gap, without a repetition, and without a
// byte of another user.
import type { IncomingMessage, Server as HttpServer } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import type { WireChange } from '@lockstep/protocol/change'
import type { Fault } from '@lockstep/protocol/errors'
import { newId } from '@lockstep/protocol/ids'
import type { DraftNotice } from '@lockstep/protocol/drafts'
import type { Delta } from '@lockstep/protocol/sync'
import { topics, type Topic } from '@lockstep/protocol/topics'
import type { AnswerBudget } from '../auth/answer-budget.ts'
import type { Execute } from '../commands/commands.ts'
import { backoffMs } from '../concurrency/backoff.ts'
import { repeatEvery } from '../concurrency/repeat.ts'
import { Semaphore } from '../concurrency/semaphore.ts'
import type { Log } from '../log/log.ts'
import type { Logger } from '../observability/logger.ts'
import type { SecurityLog } from '../observability/security-log.ts'
import type { Metrics } from '../observability/metrics.ts'
import type { ClusterLinks } from '../redis/cluster-links.ts'
import { createAdmission, createIdentityCache } from './admission.ts'
import { ConnectionRegistry } from './connection-registry.ts'
import { sessionRoom, userRoom, type ConnectionIdentity, type JoinedSocket } from './connection.ts'
import { startHeadComparison } from './head-comparison.ts'
import { createHeadReader } from './head-reader.ts'
import { Intake } from './intake.ts'
import { createGatewayMetrics, type EndReason } from './metrics.ts'
import { connectPeers, withoutPeers } from './peers.ts'
import { createRefusals } from './refusals.ts'
import { createRequests } from './requests.ts'
import { createSessionWatch } from './session-watch.ts'
import { gatewaySettings, type GatewaySettings } from './settings.ts'
import { openSocketServer } from './socket-server.ts'
import { serveTopic } from './topic-namespace.ts'
import { createTraces } from './traces.ts'
import { endDeadTransports, endHoarders } from './transport-checks.ts'
import { Transports } from './transport.ts'
import { UserDevices } from './user-devices.ts'

/** How often the memory that transports hold is looked at (ms). */
const MEMORY_CHECK_MS = 1_000
/** When a session gets a new id, its devices are asked to connect anew within this time (ms). */
const RENEW_WITHIN_MS = 2_000

export interface GatewayDeps {
  httpServer: HttpServer
  sessions: {
    /** The user whose cookie this is, or undefined. `request` is the handshake. */
    identify(
      cookieHeader: string | undefined,
      request?: IncomingMessage,
    ): Promise<ConnectionIdentity | undefined>
    /** When each of the sessions expires. Sessions that are no longer alive are left out. */
    alive(sessionIds: readonly string[]): Promise<Map<string, Date>>
  }
  /** Absent: every token is refused. */
  tokens?: {
    identify(
      token: string,
      user_id: string | undefined,
      address: string,
    ): Promise<ConnectionIdentity | undefined>
    /** When each of the tokens ends. Those that have ended are left out. */
    alive(ids: readonly string[]): Promise<Map<string, Date>>
  }
  /** Whether the page that sent this handshake may use the server. */
  originAllowed(request: IncomingMessage): boolean
  /** The visitor's address. */
  addressOf(request: IncomingMessage): string
  /** As for HTTP. */
  basePath?: string
  log: Pick<Log, 'heads' | 'projectedHeads' | 'range'>
  execute: Execute
  /** As for HTTP: what users are answered counts together. */
  answerBudget: AnswerBudget
  toFault(error: unknown): Fault
  logger: Logger
  /** Gets the refused handshakes. */
  security?: SecurityLog
  metrics: Metrics
  /** The links to the other nodes. Absent: this node is the only one. */
  links?: ClusterLinks
  /** Called with each change that another node has sent, after it was offered to the devices. */
  onPeerChange?(user_id: string, change: WireChange): void
  settings?: GatewaySettings
}

export interface Gateway {
  /**
   * Offers a change to the user's devices on this node and then, if `toAllNodes`, sends it to the
   * other nodes. Never waits.
   */
  deliver(user_id: string, change: WireChange, toAllNodes?: boolean): void
  /** A change of this user and topic was appended here, whether or not the feed shows it. */
  noteAppended(user_id: string, topic: Topic): void
  /** Sends streamed text to the user's devices on all nodes. It may be lost. */
  delta(user_id: string, topic: 'conversations' | 'agents', delta: Delta): void
  /** Tells the user's devices on all nodes that a draft has changed. It may be lost. */
  draft(user_id: string, notice: DraftNotice): void
  /**
   * Makes the other nodes send their changes of this user and topic here (`onPeerChange`), even if
   * the user has no device here. Returns a function that ends it.
   */
  follow(user_id: string, topic: Topic): () => void
  /**
   * Ends every socket of these sessions in all namespaces: on this node at once, then on others.
   */
  disconnectSessions(sessionIds: readonly string[]): void
  /**
   * Ends every socket of a user, however it was signed in: on this node at once, then on others.
   */
  disconnectUser(user_id: string): void
  /**
   * Asks this node's devices of a replaced session to connect anew. Ends the sockets that remain of
   * it after a while, on all nodes.
   */
  renewSockets(session_id: string): void
  /** How many devices of the user have a socket on this node. */
  devicesOf(user_id: string): number
  /** The sessions of the user that have a socket on any node. */
  onlineSessions(user_id: string): Promise<Set<string>>
  /**
   * Sends all devices what they lack according to the heads in the database. Resolves when the
   * database has answered. Never rejects.
   */
  compareHeads(): Promise<void>
  /**
   * Asks all devices to move to another node, and refuses new ones. Resolves when all are gone, or
   * after `reconnectWithinMs`.
   */
  drain(reconnectWithinMs: number): Promise<void>
  /**
   * Waits for the running commands and closes all sockets. The HTTP server stays open. A second
   * call joins the first.
   */
  stop(): Promise<void>
}

/** Attaches the namespaces of all topics to the HTTP server. */
export function startGateway(deps: GatewayDeps): Gateway {
  const { sessions, log, logger, toFault, links, settings = gatewaySettings } = deps
  const { timings } = settings
  const { io, joinedInDebt, allClosed, close } = openSocketServer(deps.httpServer, settings, deps)
  let isDraining = false
  let stopped: Promise<void> | undefined

  const pause = (attempt: number) =>
    sleep(backoffMs(attempt, timings.retry), undefined, { ref: false })
  const registry = new ConnectionRegistry()
  const devices = new UserDevices(settings.devicesPerUser)
  const intake = new Intake(settings)
  const gatewayMetrics = createGatewayMetrics(deps.metrics, () => transports)
  const transports = new Transports(settings.transport, {
    take: (user_id, bytes, refused) => intake.take(user_id, bytes, refused),
    isFlooded: (user_id) => intake.isFlooded(user_id),
    onFlooded: () => gatewayMetrics.socketEnded('flooding'),
  })
  const headReader = createHeadReader(log)
  const headComparison = startHeadComparison({
    registry,
    log,
    logger,
    timings,
    pause,
    onDeviceBehind: gatewayMetrics.deviceBehind,
  })
  const peers = links
    ? connectPeers({
        io,
        links,
        registry,
        headReader,
        headComparison,
        logger,
        digestsEveryMs: timings.presence,
        announceAfterMs: timings.announce,
        onChange: (user_id, change) => deps.onPeerChange?.(user_id, change),
        onTrace: (user_id, trace) => traces.applyRemote(user_id, trace),
      })
    : withoutPeers(registry)
  const { presence } = peers
  const traces = createTraces({
    registry,
    rate: settings.traces,
    sendToPeers: (user_id, payload) =>
      peers.send({ topic: 'account', user_id, event: 'trace', payload }),
  })

  function end({ socket }: JoinedSocket, reason: EndReason): void {
    if (!socket.connected) return
    gatewayMetrics.socketEnded(reason)
    socket.disconnect(true)
  }

  const refusals = createRefusals({
    ...{ addressOf: deps.addressOf, logger, security: deps.security },
    count: gatewayMetrics.handshakeRefused,
  })

  /** A socket belongs to a session or to a token; their ids differ. */
  async function alive(ids: readonly string[]): Promise<Map<string, Date>> {
    const found = await sessions.alive(ids)
    const rest = ids.filter((id) => !found.has(id))
    if (rest.length > 0 && deps.tokens)
      for (const [id, end] of await deps.tokens.alive(rest)) found.set(id, end)
    return found
  }
  const sessionWatch = createSessionWatch({ alive, end, logger })
  const logReads = new Semaphore(settings.catchUps)
  const requests = createRequests({
    execute: deps.execute,
    log,
    ...{ reads: logReads, answerBudget: deps.answerBudget },
    flooded: (connection) => end(connection, 'flooding'),
    viewing: (connection, conversation_id) => presence.setViewing(connection, conversation_id),
    trace: (connection, report) => traces.report(connection, report),
    toFault,
    logger,
    settings,
    answered: gatewayMetrics.commandAnswered,
    addressOf: (request) => deps.addressOf(request),
    refused: refusals.ofCommand,
  })

  const identify = createIdentityCache(
    {
      byCookie: (cookieHeader, request) => sessions.identify(cookieHeader, request),
      byToken: async (token, user_id, request) =>
        deps.tokens?.identify(token, user_id, deps.addressOf(request)),
    },
    settings,
  )
  for (const topic of topics) {
    const namespace = io.of(`/${topic}`)
    namespace.use(
      createAdmission({
        identify,
        originAllowed: (request) => deps.originAllowed(request),
        toFault,
        isDraining: () => isDraining,
        devices,
        intake,
        joinedInDebt,
        onRefused: refusals.ofHandshake,
        settings,
      }),
    )
    serveTopic(namespace, topic, {
      ...{ registry, transports, headReader, log, logReads, answerBudget: deps.answerBudget },
      sessionWatch,
      presence,
      gatewayMetrics,
      logger,
      settings,
      serveRequests: requests.serve,
      end,
      pause,
    })
  }

  const failed = (error: unknown) => logger.error({ err: error }, 'a regular check failed')
  const deadCheckMs = Math.min(timings.slow, timings.pong) / 4
  const stopRepetitions = [
    repeatEvery(timings.sessions, () => sessionWatch.checkAll(registry.connections()), {
      firstAfterMs: timings.sessions,
      failed,
    }),
    repeatEvery(deadCheckMs, () => endDeadTransports(transports, timings, gatewayMetrics), {
      firstAfterMs: deadCheckMs,
      failed,
    }),
    repeatEvery(MEMORY_CHECK_MS, () => endHoarders(transports, settings, gatewayMetrics), {
      firstAfterMs: MEMORY_CHECK_MS,
      failed,
    }),
  ]

  function disconnectSessions(sessionIds: readonly string[]): void {
    if (sessionIds.length > 0) disconnectRooms(sessionIds.map(sessionRoom))
  }

  function disconnectRooms(rooms: string[]): void {
    for (const topic of topics) io.of(`/${topic}`).local.in(rooms).disconnectSockets(true)
    if (!links) return
    const tellPeers = () => {
      for (const topic of topics) io.of(`/${topic}`).in(rooms).disconnectSockets(true)
    }
    tellPeers()
    // told twice, because Redis may have dropped the first message without an error
    setTimeout(() => isDraining || tellPeers(), timings.announce).unref()
  }

  async function stop(): Promise<void> {
    isDraining = true
    for (const stopRepetition of stopRepetitions) void stopRepetition()
    headComparison.stop()
    peers.stop()
    await Promise.race([requests.idle(), sleep(timings.stop, undefined, { ref: false })])
    for (const topic of topics) {
      io.of(`/${topic}`).local.disconnectSockets(true)
      await io.of(`/${topic}`).adapter.close()
    }
    await close()
  }

  return {
    deliver(user_id, change, toAllNodes = true) {
      registry.offerChange(user_id, change)
      headComparison.noteChange(user_id, change.topic)
      // A device of `account` ends as soon as it has been told (LOG-7). This ends the devices that
      // could not be told, and those of the other topics, which nothing else may end.
      if (change.op === 'closed' && change.topic === 'account')
        setTimeout(() => {
          for (const topic of topics)
            for (const connection of [...registry.connectionsOf(user_id, topic)])
              end(connection, 'orphaned')
        }, timings.farewell).unref()
      if (toAllNodes) peers.sendChange(user_id, change)
    },
    noteAppended: headComparison.noteChange,
    delta(user_id, topic, delta) {
      registry.sendDelta(user_id, topic, delta)
      peers.send({ topic, user_id, event: 'delta', payload: delta })
    },
    draft(user_id, notice) {
      registry.sendDraftNotice(user_id, notice)
      peers.send({ topic: 'account', user_id, event: 'draft', payload: notice })
    },
    follow(user_id, topic) {
      const { adapter } = io.of(`/${topic}`)
      // No socket has this id. It joins the room so that the adapter keeps the room's subscription.
      const id = newId()
      void adapter.addAll(id, new Set([userRoom(user_id)]))
      return () => void adapter.delAll(id)
    },
    disconnectSessions,
    disconnectUser: (user_id) => disconnectRooms([userRoom(user_id)]),
    renewSockets(session_id) {
      for (const topic of topics)
        io.of(`/${topic}`)
          .local.in(sessionRoom(session_id))
          .emit('draining', { reconnect_within_ms: RENEW_WITHIN_MS })
      setTimeout(() => disconnectSessions([session_id]), 2 * RENEW_WITHIN_MS).unref()
    },
    devicesOf: (user_id) => devices.count(user_id),
    onlineSessions: peers.onlineSessions,
    compareHeads: headComparison.compareAll,
    async drain(reconnectWithinMs) {
      isDraining = true
      for (const topic of topics)
        io.of(`/${topic}`).local.emit('draining', { reconnect_within_ms: reconnectWithinMs })
      await Promise.race([allClosed(), sleep(reconnectWithinMs, undefined, { ref: false })])
    },
    stop: () => (stopped ??= stop()),
  }
}
