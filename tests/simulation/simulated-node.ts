// A node of the simulation: the gateway, the feed and the log of a server, and its sessions.
import { createServer, type Server } from 'node:http'
import { newId } from '@lockstep/protocol/ids'
import type { CommandPayloads } from '@lockstep/protocol/commands'
import { createSessions } from '../../realtime/auth/sessions.ts'
import { createConversations, type Conversations } from '../../realtime/commands/conversations.ts'
import { startFeed } from '../../realtime/feed/feed.ts'
import { AnswerBudget } from '../../realtime/auth/answer-budget.ts'
import { httpSettings } from '../../realtime/http/settings.ts'
import { startGateway, type Gateway } from '../../realtime/gateway/gateway.ts'
import { createLog, type Log } from '../../realtime/log/log.ts'
import { createLogger } from '../../realtime/observability/logger.ts'
import { createMetrics } from '../../realtime/observability/metrics.ts'
import { startClusterLinks } from '../../realtime/redis/cluster-links.ts'
import { openDatabase } from '../../realtime/store/database.ts'
import { toServerFault } from '../../realtime/store/faults.ts'
import { readDeployment } from '../../realtime/store/feed.ts'
import { bulkUsersEnv } from '../cluster/bulk-users.ts'
import type { MemoryRedis } from './memory-redis.ts'

export interface SimulatedNode {
  /** Never listens; devices hand their upgrades to it. */
  httpServer: Server
  gateway: Gateway
  log: Log
  conversations: Conversations
  stop(): Promise<void>
}

export interface SimulatedNodeDeps {
  databaseUrl: string
  redis: MemoryRedis
  /** Notes work that takes time outside of this thread. */
  during<T>(work: Promise<T>): Promise<T>
}

export async function startSimulatedNode(deps: SimulatedNodeDeps): Promise<SimulatedNode> {
  const { redis, during } = deps
  const logger = createLogger(process.env.TEST_LOG ?? 'silent')
  const metrics = createMetrics()
  const database = await openDatabase(deps.databaseUrl)
  const late: { gateway?: Gateway } = {}
  const log = createLog(database, logger, {
    onAppended: (user_id, topic) => late.gateway?.noteAppended(user_id, topic),
  })
  const { name: deployment, messageKey } = await readDeployment(database)
  const links = await startClusterLinks({
    ...{ urls: ['memory'], deployment, messageKey, node: newId(), logger, metrics },
    shareOf: () => 0,
    connect: () => redis.connect(),
  })
  const sessions = createSessions({ database, secrets: [bulkUsersEnv.SESSION_SECRET], logger })
  const conversations = createConversations(database, log)
  const httpServer = createServer()
  const gateway = startGateway({
    httpServer,
    sessions: {
      identify: (cookie) => during(sessions.identify(cookie)),
      alive: (ids) => sessions.alive(ids),
    },
    originAllowed: () => true,
    addressOf: () => '127.0.0.1',
    log,
    execute: (_topic, _name, context, payload) =>
      conversations.change(
        'append',
        context,
        // Assertion: the devices of the simulation append only, and the gateway has parsed it.
        payload as unknown as CommandPayloads['conversations']['append'],
      ),
    answerBudget: new AnswerBudget(httpSettings.answerBytes),
    toFault: toServerFault,
    logger,
    metrics,
    links,
  })
  late.gateway = gateway
  const feed = startFeed({
    database,
    deliver: gateway.deliver,
    compareHeads: gateway.compareHeads,
    project: log.noteSeen,
    logger,
    metrics,
    links,
  })
  await feed.ready
  return {
    httpServer,
    gateway,
    log,
    conversations,
    async stop() {
      await feed.stop()
      await gateway.stop()
      links.stop()
      await log.stop()
      await database.close()
    },
  }
}
