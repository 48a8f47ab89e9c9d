// The composition root: it creates every part and gives it what it needs. It keeps no state outside
// of the server that it returns, so that many servers can live in one process.
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createAgents, type AgentsDeps } from './agents/agents.ts'
import { newId } from '@lockstep/protocol/ids'
import { createOriginCheck, onlyHttps } from './auth/origin.ts'
import { createProxyTrust } from './auth/proxy-trust.ts'
import { createPasswordRules } from './auth/password-rules.ts'
import { createPasswords } from './auth/passwords.ts'
import { createRateLimits, type RateLimitRules } from './auth/rate-limits.ts'
import { createSessions } from './auth/sessions.ts'
import { createTickets } from './auth/tickets.ts'
import { createTokens } from './auth/tokens.ts'
import { createTrustedProxy } from './auth/trusted-proxy.ts'
import { createWebAuthn } from './auth/webauthn.ts'
import { commandHandlers } from './command-handlers.ts'
import { createAccount, type AccountUseCases } from './commands/account.ts'
import { createAuditTrail } from './commands/audit-trail.ts'
import { auditAccount } from './commands/audited-account.ts'
import { auditTokens } from './commands/audited-security.ts'
import { createActivity } from './commands/activity.ts'
import { createDailyQuota } from './commands/daily-quota.ts'
import { createDrafts } from './commands/drafts.ts'
import { createExecute } from './commands/commands.ts'
import { createConversations } from './commands/conversations.ts'
import { startHousekeeping } from './commands/housekeeping.ts'
import { createExport } from './commands/export.ts'
import { createHostSignOut } from './commands/host-sign-out.ts'
import { createImport } from './commands/import/import.ts'
import { endsAccess } from './commands/security-changes.ts'
import { createSecondStepTickets } from './commands/second-step-tickets.ts'
import { createSecurityParts } from './commands/security-parts.ts'
import { createRecords } from './commands/records.ts'
import { createRewind } from './commands/rewind.ts'
import { createConversationQuota } from './commands/conversation-quota.ts'
import { createPreferences } from './commands/preferences.ts'
import { createTokenUseCases } from './commands/tokens.ts'
import { createUsage } from './commands/usage.ts'
import { createWaysIn } from './commands/ways-in.ts'
import type { Config } from './config/config.ts'
import { startFeed } from './feed/feed.ts'
import { startGateway, type Gateway } from './gateway/gateway.ts'
import { gatewaySettings, type GatewaySettings } from './gateway/settings.ts'
import { agentHandlers } from './http/agent-handlers.ts'
import { accountHandlers, passwordHandlers, preferencesHandlers } from './http/account-handlers.ts'
import { oidcHandlers } from './http/oidc-handlers.ts'
import { conversationHandlers } from './http/conversation-handlers.ts'
import type { RequestLogLevel } from './http/access-log.ts'
import { draftHandlers } from './http/draft-handlers.ts'
import { createHttp } from './http/http.ts'
import { createKeptFiles } from './http/kept-files.ts'
import { listen } from './http/listen.ts'
import {
  confirmationHandlers,
  otherSignInHandlers,
  securityHandlers,
} from './http/security-handlers.ts'
import { recordHandlers } from './http/record-handlers.ts'
import { socketlessHandlers } from './http/socketless-handlers.ts'
import { tokenHandlers } from './http/token-handlers.ts'
import { userDataHandlers } from './http/user-data-handlers.ts'
import { webhookHandlers } from './http/webhook-handlers.ts'
import type { HttpSettings } from './http/settings.ts'
import { loadLater } from './lifecycle/load-later.ts'
import { createShutdown, shutdownTimings } from './lifecycle/shutdown.ts'
import { repeatEvery } from './concurrency/repeat.ts'
import { createSecurityLog } from './observability/security-log.ts'
import { createLogger, type Logger } from './observability/logger.ts'
import { shareOf } from './log/buckets.ts'
import { createLog } from './log/log.ts'
import { startDiskWatch } from './observability/disk-watch.ts'
import { createMetrics } from './observability/metrics.ts'
import { createSharedLimiter } from './redis/shared-limiter.ts'
import { openDatabase, type Database } from './store/database.ts'
import { openKeys, startSealing } from './sealing.ts'
import { readFreeSpace } from './store/free-space.ts'
import { toServerFault } from './store/faults.ts'
import { readDeployment } from './store/feed.ts'
import { migrateSchema } from './store/migrations.ts'
import { findPageFile, insertPageFiles, renewPageFiles } from './store/page-files.ts'
import { startWebhooks, type WebhooksDeps } from './webhooks/webhooks.ts'

const FINISH_DELETIONS_MS = 300_000
/** How long running replies have to write their last text when the node stops (ms). */
const FINISH_REPLIES_MS = 5_000

export type ServerConfig = Config & { mongodbUrl: string }

export interface ServerOptions {
  logger?: Logger
  /** Adds the metrics of the process; only one server of a process may add them. */
  ofProcess?: boolean
  /** Where the embedded database is. Undefined: the database is asked for its disk’s free space. */
  databaseFolder?: string
  /** Default: info. */
  requestLogLevel?: RequestLogLevel
  /** log2 of scrypt's N; tests use a cheap one. */
  passwordCost?: number
  rateLimits?: Partial<RateLimitRules>
  conversationsPerUser?: number
  gateway?: GatewaySettings
  /** Replaces `shutdownTimings.leave` in tests, where no load balancer has to notice. */
  leaveMs?: number
  http?: HttpSettings
  drainMs?: number
  /** The folder of the built UI. Default: the one of this checkout. */
  uiRoot?: string
  agents?: Pick<AgentsDeps, 'demo' | 'timings'>
  webhooks?: Pick<WebhooksDeps, 'settings' | 'now'>
}

export interface RunningServer {
  /** Where it listens, `http://host:port`, and the base path. */
  url: string
  /**
   * Readiness fails, devices move to other nodes, acknowledged work is finished. A second call
   * joins the first.
   */
  stop(): Promise<void>
}

/** Resolves when it serves. Rejects when it can't reach the database or the port is taken. */
export async function startServer(
  config: ServerConfig,
  options: ServerOptions = {},
): Promise<RunningServer> {
  const logger = options.logger ?? createLogger(config.logLevel)
  const metrics = createMetrics({ ofProcess: options.ofProcess })
  const stops = createShutdown(logger)
  try {
    return await compose()
  } catch (error) {
    await stops.run()
    throw error
  }

  async function compose(): Promise<RunningServer> {
    const database = await openDatabase(config.mongodbUrl, openKeys(config))
    stops.add('database', () => database.close())
    await migrateSchema(database, { owner: newId() })
    stops.add('sealing', startSealing(database, logger))
    // the gateway is created last, because it needs the commands; they end sockets through `late`
    const late: { gateway?: Gateway; beginOffered?: AccountUseCases['beginOffered'] } = {}
    const { quotas = {} } = config
    const gatewayOptions = options.gateway ?? {
      ...gatewaySettings,
      ...(config.devicesPerUser && { devicesPerUser: config.devicesPerUser }),
    }
    const log = createLog(database, logger, {
      quotaBytes: quotas.bytes,
      onAppended: (user_id, topic) => late.gateway?.noteAppended(user_id, topic),
    })
    stops.add('log', () => log.stop())

    // connected early, so that it stops late: parts that stop before it may still have to tell
    // other nodes
    const links = config.redisUrls ? await linkThrough(config.redisUrls, database) : undefined
    if (links) stops.add('redis', () => links.stop())

    const sessions = createSessions({
      database,
      secrets: config.sessionSecrets,
      onlySecure: onlyHttps(config.publicOrigins),
      basePath: config.basePath,
      maxDays: config.sessionMaxDays,
      beginOffered: async (id, offer) => (await late.beginOffered?.(id, offer))?.session,
      logger,
    })
    const securityLog = createSecurityLog(logger)
    const { serviceKeys = [] } = config
    const tokens = createTokens({ database, serviceKeys, logger, security: securityLog })
    const passwords = createPasswords(options.passwordCost)
    const passwordRules = createPasswordRules()
    const limits = createRateLimits(options.rateLimits, links && createSharedLimiter(links))
    const devices = {
      disconnectSessions: (ids: readonly string[]) => late.gateway?.disconnectSessions(ids),
      renewSockets: (id: string) => late.gateway?.renewSockets(id),
      onlineSessions: async (user_id: string) =>
        (await late.gateway?.onlineSessions(user_id)) ?? new Set<string>(),
    }
    const tickets = createTickets(database, config.sessionSecrets)
    const secondStep = createSecondStepTickets(database, tickets)
    const signUp = config.signUp ?? 'open'
    const parts = { database, log, sessions, passwords, passwordRules, limits, secondStep, devices }
    const trail = createAuditTrail(database, securityLog)
    const unaudited = createAccount({ ...parts, signUp })
    const account = auditAccount(unaudited, trail)
    late.beginOffered = account.beginOffered
    const webAuthn = createWebAuthn(tickets)
    const waysIn = createWaysIn(config)
    const { security, otherSignIn } = createSecurityParts({
      ...{ database, log, limits, tickets, secondStep, webAuthn, trail, securityLog },
      account: unaudited,
      secrets: config.sessionSecrets,
      hasOtherWay: waysIn.besidesPasskeys,
    })
    const { hasPasskeys } = waysIn
    const conversationsPerUser = options.conversationsPerUser ?? quotas.conversations
    const quota = createConversationQuota(database, log, conversationsPerUser)
    const dailyQuota = createDailyQuota(
      database,
      {
        runs: quotas.runsDay,
        tokens: quotas.tokensDay,
        import_bytes: quotas.importBytesDay,
      },
      { logger },
    )
    const conversations = createConversations(database, log, quota)
    const rewind = createRewind(database, log)
    const preferences = createPreferences(database, log)
    const drafts = createDrafts({
      ...{ database, log, quotaBytes: quotas.bytes },
      changed: (user_id, notice) => late.gateway?.draft(user_id, notice),
    })
    const agents = createAgents({
      database,
      log,
      preferences,
      assistant: config.assistant,
      allowedModels: config.assistantModels,
      dailyQuota,
      showDelta: (user_id, topic, delta) => late.gateway?.delta(user_id, topic, delta),
      follow: (user_id, topic) => late.gateway?.follow(user_id, topic) ?? (() => undefined),
      logger,
      metrics,
      ...options.agents,
    })
    stops.add('agents', () => agents.stop(FINISH_REPLIES_MS))
    const records = createRecords(database, log)
    const commands = commandHandlers({
      conversations,
      rewind,
      preferences,
      account,
      agents,
      records,
    })
    const execute = createExecute(commands)
    const housekeeping = startHousekeeping(database, conversations, {
      logRetentionDays: config.logRetentionDays,
      logger,
    })
    stops.add('housekeeping', () => housekeeping.stop())
    stops.add(
      'deletions',
      repeatEvery(FINISH_DELETIONS_MS, () => account.finishDeletions(), {
        failed: (error) =>
          logger.warn({ err: error }, 'deletions of accounts could not be finished'),
      }),
    )

    const webhooks = startWebhooks({
      ...{ database, log, trail, logger, metrics, ...options.webhooks },
      ...{ secrets: config.sessionSecrets, allow: config.webhookAllow },
    })
    stops.add('webhooks', () => webhooks.stop())

    const diskWatch = startDiskWatch({
      read: () => readFreeSpace(database, options.databaseFolder),
      ...{ logger, metrics },
    })
    stops.add('disk watch', () => diskWatch.stop())

    const proxyTrust = createProxyTrust(config.trustProxy)
    const proxy =
      config.trustedProxy &&
      createTrustedProxy(config.trustedProxy, { ...proxyTrust, logger, security: securityLog })
    const oidc =
      config.oidc && (await import('./auth/oidc.ts')).createOidc(config.oidc, config, logger)
    const hostSignOut = createHostSignOut({ database, account })
    const { uiRoot = join(import.meta.dirname, '../ui/dist') } = options
    const keptFiles = createKeptFiles({
      uiRoot,
      store: {
        renew: (names, expires_at) => renewPageFiles(database, names, expires_at),
        insert: (files, expires_at) => insertPageFiles(database, files, expires_at),
        find: (name) => findPageFile(database, name),
      },
      logger,
    })
    stops.add('page files', () => keptFiles.stop())
    let serving = false
    const http = await createHttp({
      config,
      handlers: {
        ...(!config.withoutPasswords && passwordHandlers(account)),
        ...confirmationHandlers(account, security),
        ...(hasPasskeys && { ...securityHandlers(security), ...otherSignInHandlers(otherSignIn) }),
        ...accountHandlers(account, {
          password: !config.withoutPasswords,
          passkeys: hasPasskeys,
          providers: oidc ? [oidc.link] : [],
          sign_up: signUp,
        }),
        ...oidcHandlers(account, oidc, hostSignOut),
        ...preferencesHandlers(preferences),
        ...draftHandlers(drafts),
        ...tokenHandlers(auditTokens(createTokenUseCases({ database, log, devices }), trail)),
        ...conversationHandlers(commands.conversations, conversations, rewind, agents.produce),
        ...agentHandlers(agents.useCases),
        ...recordHandlers(records),
        ...webhookHandlers(webhooks.useCases),
        ...socketlessHandlers({ execute, log, logger }),
        ...userDataHandlers({
          activity: createActivity(database),
          exports: createExport(database, log),
          imports: createImport({ database, log, preferences, drafts, logger, quota, dailyQuota }),
          usage: createUsage({
            ...{ database, log, dailyQuota, conversationsPerUser },
            ...{ quotaBytes: quotas.bytes, allowedModels: agents.allowedModels },
            devices: {
              most: gatewayOptions.devicesPerUser,
              of: (user_id) => late.gateway?.devicesOf(user_id) ?? 0,
            },
          }),
        }),
      },
      spoolLimit: (user_id) => dailyQuota.importLimit(user_id),
      sessions,
      tokens,
      host: { account, proxy, oidc, signOut: hostSignOut },
      toFault: toServerFault,
      isReady: async () =>
        serving && feed.isHealthy() && (await database.db.command({ ping: 1 })).ok === 1,
      uiRoot,
      keptFiles,
      logger,
      metrics,
      security: securityLog,
      requestLogLevel: options.requestLogLevel,
      settings: options.http,
    })
    stops.add('http', () => http.stop())
    const gateway = startGateway({
      httpServer: http.server,
      sessions: proxy ? proxy.guardSessions(sessions) : sessions,
      tokens,
      originAllowed: createOriginCheck(config.publicOrigins, proxyTrust),
      addressOf: proxyTrust.addressOf,
      basePath: config.basePath,
      log,
      execute,
      answerBudget: http.answerBudget,
      toFault: toServerFault,
      logger,
      metrics,
      security: securityLog,
      settings: gatewayOptions,
      links,
      onPeerChange: (user_id, change) => agents.onChange(user_id, change),
    })
    late.gateway = gateway
    const { deliver, disconnectSessions, disconnectUser, renewSockets, compareHeads, drain, stop } =
      gateway
    stops.add('gateway', () => stop())
    const feed = startFeed({
      database,
      deliver: (user_id, change, everywhere) => {
        agents.onChange(user_id, change)
        // their sockets have been ended, except on nodes that couldn't be told without Redis
        if (change.op === 'session_revoked')
          if (change.data?.replaced_by === undefined) disconnectSessions([change.entity_id])
          else renewSockets(change.entity_id)
        if (endsAccess(change)) disconnectUser(user_id)
        deliver(user_id, change, everywhere)
      },
      compareHeads,
      project: log.noteSeen,
      logger,
      metrics,
      links,
    })
    stops.add('feed', () => feed.stop())
    await feed.ready
    void log.projectAbandoned()
    stops.add('devices', () => drain(options.drainMs ?? shutdownTimings.drain))

    // before this node serves its page, because the page may ask another node for the files
    await keptFiles.start()
    const url = (await listen(http.server, config)) + (config.basePath ?? '')
    serving = true
    stops.add('late code', loadLater([webAuthn.load, passwordRules.load], logger))
    // a load balancer may still send devices here; if they were refused, it would send them here
    // again
    const leaveMs = options.leaveMs ?? (config.production ? shutdownTimings.leave : 0)
    stops.add('load balancers', () => sleep(leaveMs))
    stops.add('readiness', () => void (serving = false))
    return { url, stop: () => stops.run() }
  }

  /** A single node doesn't load the Redis client. */
  async function linkThrough(urls: readonly string[], database: Database) {
    const { startClusterLinks } = await import('./redis/cluster-links.ts')
    const { name: deployment, messageKey } = await readDeployment(database)
    const own = { node: newId(), logger, metrics }
    return startClusterLinks({ urls, deployment, messageKey, shareOf, ...own })
  }
}
