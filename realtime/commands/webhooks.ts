// What the operator's other servers do with webhooks, by a service key. A webhook is a document;
// the node that delivers learns of it from the change stream.
import { randomBytes } from 'node:crypto'
import { Fault } from '@lockstep/protocol/errors'
import { newId } from '@lockstep/protocol/ids'
import { limits } from '@lockstep/protocol/limits'
import type { Answer, Asked } from '@lockstep/protocol/rest'
import type { Webhook } from '@lockstep/protocol/webhooks'
import type { OwnNetwork } from '../auth/own-network.ts'
import type { Database } from '../store/database.ts'
import { hasLogs } from '../store/heads.ts'
import type { WebhookDocument } from '../store/webhook-documents.ts'
import {
  countWebhooks,
  deleteWebhook,
  deleteWebhookCursors,
  failingSince,
  findWebhook,
  findWebhooks,
  insertReplay,
  insertWebhook,
} from '../store/webhooks.ts'
import type { SignInContext } from './sign-in.ts'

/** From where a service key is used. */
export type WebhookVisitor = Pick<SignInContext, 'address' | 'device'>

export interface WebhookUseCases {
  list(): Promise<Answer<'listWebhooks'>>
  /** Throws `invalid` for an address of the server's own network, and if there are too many. */
  create(
    visitor: WebhookVisitor,
    wanted: Asked<'createWebhook'>['body'],
  ): Promise<Answer<'createWebhook'>>
  /** Throws `not_found` if there is no such webhook. */
  remove(visitor: WebhookVisitor, id: string): Promise<void>
  /** Throws `not_found` if there is no such webhook or user. */
  replay(
    visitor: WebhookVisitor,
    id: string,
    wanted: Asked<'replayWebhook'>['body'],
  ): Promise<Answer<'replayWebhook'>>
}

export interface WebhookUseCasesDeps {
  database: Database
  network: Pick<OwnNetwork, 'isRefusedHost'>
  sealSecret(webhook_id: string, secret: string): Promise<string>
  /** Called before a webhook is inserted: from then on, the feed of webhooks misses nothing. */
  begin(): Promise<void>
}

export function createWebhookUseCases({
  database,
  network,
  sealSecret,
  begin,
}: WebhookUseCasesDeps): WebhookUseCases {
  async function shown(webhook: WebhookDocument): Promise<Webhook> {
    const { _id: id, url, topics, created_at, delivered_at, last_error } = webhook
    const failing_since = await failingSince(database, id)
    return {
      ...{ id, url, topics },
      created_at: created_at.toISOString(),
      delivered_at: delivered_at?.toISOString() ?? null,
      failing_since: failing_since?.toISOString() ?? null,
      last_error: last_error && { at: last_error.at.toISOString(), reason: last_error.reason },
    }
  }

  return {
    list: async () => ({ items: await Promise.all((await findWebhooks(database)).map(shown)) }),

    async create(_visitor, { url, topics, secret = makeSecret() }) {
      if (network.isRefusedHost(new URL(url).hostname))
        throw refused(
          'url',
          'must not be an address of the server’s own network: see WEBHOOK_ALLOW',
        )
      if ((await countWebhooks(database)) >= limits.webhooks)
        throw refused('url', `there are ${limits.webhooks} webhooks already: remove one`)
      await begin()
      const [_id, created_at] = [newId(), new Date()]
      await insertWebhook(database, {
        ...{ _id, url, topics, created_at },
        secret: await sealSecret(_id, secret),
        delivered_at: null,
        last_error: null,
      })
      return { id: _id, url, topics, secret, created_at: created_at.toISOString() }
    },

    async remove(_visitor, id) {
      if (!(await deleteWebhook(database, id))) throw unknown('webhook')
      await deleteWebhookCursors(database, id)
    },

    async replay(_visitor, id, { from: { user, seq } }) {
      const webhook = await findWebhook(database, id)
      if (!webhook) throw unknown('webhook')
      if (user !== undefined && !(await hasLogs(database, user))) throw unknown('user')
      const whose = user === undefined ? {} : { user_id: user }
      await insertReplay(database, { _id: newId(), webhook_id: id, ...whose, seq, after: '' })
      return shown(webhook)
    },
  }
}

const makeSecret = (): string => `whsec_${randomBytes(32).toString('base64url')}`

const unknown = (what: string): Fault =>
  new Fault('not_found', { detail: `There is no such ${what}` })

const refused = (path: string, message: string): Fault =>
  new Fault('invalid', { issues: [{ path, message }] })
