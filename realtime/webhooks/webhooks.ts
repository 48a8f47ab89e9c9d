// The webhooks of an installation. One node delivers for all of them: the one that holds the lease
// in the database. A second one could change the order of a user's changes. The others look every
// few seconds whether it is still there.
import { Counter, Gauge } from 'prom-client'
import { newId } from '@lockstep/protocol/ids'
import { createOwnNetwork } from '../auth/own-network.ts'
import { createSeals, NO_END } from '../auth/seals.ts'
import { auditWebhooks } from '../commands/audited-security.ts'
import type { AuditTrail } from '../commands/audit-trail.ts'
import { createWebhookUseCases, type WebhookUseCases } from '../commands/webhooks.ts'
import { repeatEvery } from '../concurrency/repeat.ts'
import type { tailTimings } from '../feed/tail.ts'
import type { Log } from '../log/log.ts'
import type { Logger } from '../observability/logger.ts'
import type { Metrics } from '../observability/metrics.ts'
import type { Database } from '../store/database.ts'
import type { WebhookDocument } from '../store/webhook-documents.ts'
import { acquireWebhookLease, dropWebhookLease, renewWebhookLease } from '../store/webhook-lease.ts'
import { beginWebhookStream } from '../store/webhook-stream.ts'
import { updateWebhook } from '../store/webhooks.ts'
import { Deliveries } from './deliveries.ts'
import { Holding } from './holding.ts'
import { createPoster, DeliveryError } from './post.ts'
import { webhookSettings, type WebhookSettings } from './settings.ts'

/** How long deliveries on their way may take when the node stops (ms). */
const GRACE_MS = 1_000
const REPORT_MS = 30_000

export interface WebhooksDeps {
  database: Database
  log: Pick<Log, 'heads'>
  /** Seal the webhooks' secrets; newest first. */
  secrets: readonly string[]
  /** Addresses and ranges of the server's own network that webhooks may reach. */
  allow: readonly string[] | undefined
  trail: AuditTrail
  logger: Logger
  metrics: Metrics
  settings?: Partial<WebhookSettings>
  now?: () => number
  tailTimings?: typeof tailTimings
}

export interface Webhooks {
  useCases: WebhookUseCases
  stop(): Promise<void>
}

interface SealedSecret {
  webhook: string
  secret: string
}

export function startWebhooks(deps: WebhooksDeps): Webhooks {
  const { database, log, trail, logger, metrics, now = Date.now } = deps
  const settings: WebhookSettings = { ...webhookSettings, ...deps.settings }
  const network = createOwnNetwork(deps.allow)
  const seals = createSeals(deps.secrets)
  const node = newId()
  let holding: Holding | undefined
  /** Counted from before each request, so that this node never believes in its lease too long. */
  let heldUntil = 0
  let isStopped = false

  const attempts = new Counter({
    name: 'lockstep_webhook_attempts_total',
    help: 'Attempts to deliver a change to a webhook',
    labelNames: ['result'],
    registers: [metrics],
  })
  const failing = new Gauge({
    name: 'lockstep_webhook_failing_seconds',
    help: 'For how long a webhook has not taken a change that waits',
    labelNames: ['webhook'],
    registers: [metrics],
  })

  const sealSecret = (webhook: string, secret: string): Promise<string> =>
    seals.seal({ webhook, secret } satisfies SealedSecret, NO_END)

  async function openSecret({ _id, secret: sealed }: WebhookDocument): Promise<string> {
    const { webhook, secret } = await seals.open<SealedSecret>(sealed, NO_END)
    if (webhook !== _id || secret === undefined)
      throw new DeliveryError('its secret can’t be opened with this SESSION_SECRET: make it anew')
    // with the newest secret, so that the oldest can be removed
    await updateWebhook(database, _id, { secret: await sealSecret(_id, secret) })
    return secret
  }

  const startDeliveries = (webhook: WebhookDocument): Deliveries =>
    new Deliveries({
      ...{ database, webhook, settings, now },
      openPoster: async () => {
        const secret = await openSecret(webhook)
        const { attemptMs } = settings
        return createPoster({ url: webhook.url, secret, network, attemptMs, now })
      },
      isHolder: () => performance.now() < heldUntil,
      attempted: (result) => attempts.inc({ result }),
      logger: logger.child({ webhook: webhook._id }),
    })

  async function release(graceMs: number): Promise<void> {
    const held = holding
    holding = undefined
    failing.reset()
    await held?.stop(graceMs)
    heldUntil = 0
  }

  async function renew(): Promise<void> {
    const askedAt = performance.now()
    try {
      if (await renewWebhookLease(database, node, settings.leaseMs)) {
        heldUntil = askedAt + settings.leaseMs
        return
      }
    } catch (error) {
      if (performance.now() < heldUntil) throw error
    }
    heldUntil = 0
    logger.warn('another node delivers to webhooks, because this one could not renew its lease')
    await release(0)
  }

  async function maintain(): Promise<void> {
    if (isStopped) return
    if (holding) return renew()
    const askedAt = performance.now()
    const generation = await acquireWebhookLease(database, node, settings.leaseMs)
    if (generation === undefined) return
    heldUntil = askedAt + settings.leaseMs
    logger.info({ generation }, 'this node delivers to webhooks')
    const { tailTimings } = deps
    const taken = new Holding({ database, log, generation, startDeliveries, logger, tailTimings })
    holding = taken
    await taken.start().catch(async (error: unknown) => {
      await release(0)
      await dropWebhookLease(database, node)
      throw error
    })
  }

  /** One at a time: a webhook that is made looks for the lease beside the interval. */
  let maintaining = Promise.resolve()
  const maintainNow = (): Promise<void> => {
    const done = maintaining.then(maintain)
    maintaining = done.catch(() => undefined)
    return done
  }

  async function report(): Promise<void> {
    failing.reset()
    for (const deliveries of holding?.deliveries ?? []) {
      const since = await deliveries.report()
      const seconds = since ? (now() - since.getTime()) / 1000 : 0
      failing.set({ webhook: deliveries.webhook._id }, Math.max(0, seconds))
    }
  }

  const failed = (error: unknown) =>
    logger.debug({ err: error }, 'the lease of webhooks could not be checked')
  const repetitions = [
    repeatEvery(settings.renewMs, maintainNow, { failed }),
    repeatEvery(Math.min(REPORT_MS, settings.reportMs), report, {
      firstAfterMs: settings.renewMs,
      failed,
    }),
  ]
  const useCases = createWebhookUseCases({
    ...{ database, network, sealSecret },
    async begin() {
      await beginWebhookStream(database)
      await maintainNow().catch(failed)
    },
  })

  return {
    useCases: auditWebhooks(useCases, trail),
    async stop() {
      isStopped = true
      await Promise.all(repetitions.map((stopRepetition) => stopRepetition()))
      await maintaining
      if (!holding) return
      await release(GRACE_MS)
      await dropWebhookLease(database, node).catch(failed)
    },
  }
}
