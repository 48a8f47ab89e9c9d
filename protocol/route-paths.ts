// Method and path of each route of the REST API. At run time a client needs no more of the table in
// rest.ts.
import { firstPaths, type Place } from './first-paths.ts'
import { laterPaths } from './later-paths.ts'

export const routePaths = { ...firstPaths, ...laterPaths } as const

/** What only programs ask for, so that pages don't load it. */
export const programPaths = {
  produceReply: { method: 'POST', path: '/conversations/{id}/produce' },
  listWebhooks: { method: 'GET', path: '/webhooks' },
  createWebhook: { method: 'POST', path: '/webhooks' },
  deleteWebhook: { method: 'DELETE', path: '/webhooks/{id}' },
  replayWebhook: { method: 'POST', path: '/webhooks/{id}/replay' },
} as const satisfies Record<string, Place>

export type RouteName = keyof typeof routePaths | keyof typeof programPaths
