// The change stream of webhooks. It shows the webhooks themselves beside the changes, in the order
// of their writes. So each webhook gets exactly the changes that were made after it, whatever the
// clocks of the nodes say. Of changes it has no content: that is read when it is delivered.
import { openStream, type ChangeStreamReader } from './change-stream.ts'
import type { Database } from './database.ts'
import type { ChangeDocument, ResumeToken } from './documents.ts'
import type { WebhookDocument, WebhookReplayDocument } from './webhook-documents.ts'
import { beginPosition, readPosition } from './webhook-lease.ts'

/** Names the canary of this stream. */
export const WEBHOOKS = 'webhooks'

export type WebhookEvent =
  | { is: 'changed'; entry: Pick<ChangeDocument, 'user_id' | 'topic' | 'seq' | 'epoch'> }
  | { is: 'made'; webhook: WebhookDocument }
  | { is: 'removed'; webhook_id: string }
  | { is: 'replay'; replay: WebhookReplayDocument }

const inserts = (collection: string) => ({ 'ns.coll': collection, operationType: 'insert' })

export const openWebhookStream = (
  database: Database,
  after: ResumeToken | undefined,
): ChangeStreamReader<WebhookEvent> =>
  openStream<WebhookEvent>(
    database,
    {
      range: WEBHOOKS,
      events: [
        inserts('changes'),
        { 'ns.coll': 'webhooks', operationType: { $in: ['insert', 'delete'] } },
        inserts('webhook_replays'),
      ],
      without: {
        'fullDocument.data': 0,
        'fullDocument.before': 0,
        'fullDocument.outline': 0,
        'fullDocument.fields': 0,
        'fullDocument.fingerprint': 0,
      },
      after,
    },
    ({ collection, operationType, id, fullDocument }) => {
      if (collection === 'webhooks' && operationType === 'delete')
        return { is: 'removed', webhook_id: id }
      if (operationType !== 'insert') return undefined
      // Assertions: each collection has documents of its own form.
      if (collection === 'changes') return { is: 'changed', entry: fullDocument as ChangeDocument }
      if (collection === 'webhooks') return { is: 'made', webhook: fullDocument as WebhookDocument }
      if (collection === 'webhook_replays')
        return { is: 'replay', replay: fullDocument as WebhookReplayDocument }
      return undefined
    },
  )

/** For the first webhook: from now on, some node follows the stream. */
export async function beginWebhookStream(database: Database): Promise<void> {
  if (await readPosition(database)) return
  const stream = openWebhookStream(database, undefined)
  try {
    const opened = Promise.withResolvers<void>()
    stream.onOpen(() => opened.resolve())
    const first = stream.next().then(() => opened.resolve())
    await Promise.race([opened.promise, first])
    const token = stream.token()
    if (token === undefined) throw new Error('the change stream of webhooks has no position')
    first.catch(() => undefined) // it fails when the stream is closed
    await beginPosition(database, token)
  } finally {
    await stream.close()
  }
}
