// The routes of webhooks: part of the table of rest.ts.
import * as z from 'zod'
import { id } from './route-parts.ts'
import { programPaths } from './route-paths.ts'
import { NewWebhook, Webhook, WebhookCreate, WebhookReplay } from './webhooks.ts'

export const webhookRoutes = {
  listWebhooks: {
    ...programPaths.listWebhooks,
    summary: 'With a service key: all webhooks, and how their deliveries go',
    access: 'service',
    status: 200,
    answer: z.object({ items: z.array(Webhook).describe('Oldest first') }),
  },
  createWebhook: {
    ...programPaths.createWebhook,
    summary: 'With a service key: have the changes of all users sent to an address',
    access: 'service',
    body: WebhookCreate,
    status: 201,
    answer: NewWebhook,
  },
  deleteWebhook: {
    ...programPaths.deleteWebhook,
    summary: 'With a service key: remove a webhook; what waits for it isn’t delivered any more',
    access: 'service',
    params: id,
    status: 204,
  },
  replayWebhook: {
    ...programPaths.replayWebhook,
    summary: 'With a service key: deliver changes again, from a `seq` on',
    access: 'service',
    params: id,
    body: WebhookReplay,
    status: 202,
    answer: Webhook,
  },
} as const
