// Handlers of the routes of webhooks.
import type { WebhookUseCases } from '../commands/webhooks.ts'
import type { Handlers } from './route-handler.ts'

export const webhookHandlers = (webhooks: WebhookUseCases) =>
  ({
    listWebhooks: () => webhooks.list(),
    createWebhook: ({ body }, visitor) => webhooks.create(visitor, body),
    async deleteWebhook({ params }, visitor) {
      await webhooks.remove(visitor, params.id)
      return undefined
    },
    replayWebhook: ({ params, body }, visitor) => webhooks.replay(visitor, params.id, body),
  }) satisfies Handlers
