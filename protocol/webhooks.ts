// Webhooks: addresses of the operator's other servers, which are told of every user's changes. Only
// a service key makes and sees them.
import * as z from 'zod'
import { Seq } from './cursor.ts'
import * as limits from './limit-values.ts'
import { shortText, Text, Time, Uuid } from './scalars.ts'
import { Topic } from './topics.ts'
import { WireChange } from './change.ts'

const [SECRET_MIN, SECRET_MAX] = [16, 256]

/** Only where a POST can go. Whether it may go there is for the server's settings to say. */
const Address = shortText(limits.webhookUrlMax)
  .refine((url) => URL.canParse(url), 'must be an address such as https://example.org/hook')
  .refine(
    (url) => !URL.canParse(url) || /^https?:$/.test(new URL(url).protocol),
    'must begin with https:// or http://',
  )
  .refine(
    (url) => !URL.canParse(url) || (new URL(url).username === '' && new URL(url).password === ''),
    'must not have a user or a password',
  )
  .describe('Where each change is sent by POST')

const Topics = z
  .array(Topic)
  .min(1)
  .transform((topics) => [...new Set(topics)])
  .describe('The topics whose changes are sent')

const Secret = Text.min(SECRET_MIN).max(SECRET_MAX)

/** What signs the deliveries: the text itself, in UTF-8, is the key. */
const secretText = 'The key of the signatures'

export const WebhookCreate = z
  .strictObject({
    url: Address,
    topics: Topics,
    secret: Secret.optional().describe(`${secretText}; if left out, the server makes one`),
  })
  .meta({ id: 'WebhookCreate' })

const made = {
  id: Uuid.describe('The webhook’s id'),
  url: z.string().describe('Where each change is sent by POST'),
  topics: z.array(Topic).describe('The topics whose changes are sent'),
  created_at: Time.describe('When the webhook was made; it is sent changes made later'),
}

export const NewWebhook = z
  .object({ ...made, secret: z.string().describe(`${secretText}. It is shown only now`) })
  .meta({ id: 'NewWebhook' })

export const Webhook = z
  .object({
    ...made,
    delivered_at: Time.nullable().describe('When a change was last delivered; null: never'),
    failing_since: Time.nullable().describe(
      'Since when a change that waits has been refused; null: everything is delivered',
    ),
    last_error: z
      .object({
        at: Time.describe('When it happened'),
        reason: z.string().describe('Why a delivery failed, for people'),
      })
      .nullable()
      .describe('The last delivery that failed; null: none has'),
  })
  .meta({ id: 'Webhook' })
export type Webhook = z.infer<typeof Webhook>

export const WebhookReplay = z
  .strictObject({
    from: z
      .strictObject({
        user: Uuid.optional().describe('Only changes of this user; every user’s if left out'),
        seq: Seq.describe('The first change to deliver again, in each topic of the webhook'),
      })
      .describe('Where to begin'),
  })
  .meta({ id: 'WebhookReplay' })

/** The body of a delivery. */
export const WebhookDelivery = z
  .object({
    user_id: Uuid.describe('Whose change it is'),
    change: WireChange.describe('The change, as the user’s devices receive it'),
  })
  .meta({ id: 'WebhookDelivery' })
export type WebhookDelivery = z.infer<typeof WebhookDelivery>
