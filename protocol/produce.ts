// Replies that a program of the host writes: the pieces in which it sends them, and the answer.
import * as z from 'zod'
import { Actor } from './actor.ts'
import { Fault, parse } from './errors.ts'
import { isObject } from './free-form.ts'
import { ReplyIds } from './reply-ids.ts'
import * as limits from './limit-values.ts'
import { Part } from './parts.ts'
import { FreeForm, shortText, sizedText } from './scalars.ts'

/** Not in limits.ts, which pages load. */
export const PIECES_MAX = 1_000
const REASON_MAX = 2_000

const pieces = {
  text: sizedText(limits.messageBytes).describe('Text that follows the text before it'),
  thinking: sizedText(limits.messageBytes).describe('Goes on a reasoning part'),
  part: Part.describe('Is added, or replaces the part with its id; a text part is only added'),
  metadata: FreeForm.describe('A merge patch (RFC 7396) of the message’s metadata'),
  done: z.literal(true).describe('The reply is complete'),
  failed: shortText(REASON_MAX).min(1).describe('Why the reply ends; people read it'),
}

/** One piece of a reply: an object with one key. Over HTTP, each is a line. */
export const ProducedPiece = z
  .union([
    z.strictObject({ text: pieces.text }).meta({ id: 'TextPiece' }),
    z.strictObject({ thinking: pieces.thinking }).meta({ id: 'ThinkingPiece' }),
    z.strictObject({ part: pieces.part }).meta({ id: 'PartPiece' }),
    z.strictObject({ metadata: pieces.metadata }).meta({ id: 'MetadataPiece' }),
    z.strictObject({ done: pieces.done }).meta({ id: 'DonePiece' }),
    z.strictObject({ failed: pieces.failed }).meta({ id: 'FailedPiece' }),
  ])
  .meta({ id: 'ProducedPiece' })
export type ProducedPiece = z.infer<typeof ProducedPiece>

/** By its key: a union would report what is wrong for each of its forms. */
const forms = new Map<string, z.ZodType<ProducedPiece>>(
  ProducedPiece.options.flatMap((form) => Object.keys(form.shape).map((key) => [key, form])),
)

/** Throws `invalid` or `too_large`. */
export function parsePiece(value: unknown): ProducedPiece {
  const [key = '', ...more] = isObject(value) ? Object.keys(value) : []
  const form = more.length > 0 ? undefined : forms.get(key)
  if (!form)
    throw new Fault('invalid', {
      detail: `A piece must be an object with one of the keys ${Object.keys(pieces).join(', ')}`,
    })
  return parse(form, value)
}

/** What a program says of a reply that it begins, or goes on with. */
export const produceOptions = {
  agent: shortText(100).optional().describe('Who writes; kept in the metadata'),
  model: shortText(200).optional().describe('The model; kept in the metadata'),
}

/** A reply that a program writes, as far as it has come. */
export const Produced = ReplyIds.extend({
  status: z
    .enum(['streaming', 'complete', 'stopped', 'interrupted', 'failed'])
    .describe('How the reply has ended; over HTTP never `streaming`'),
  length: z.int().min(0).describe('The length of its text, in UTF-16 units'),
  stopped_by: Actor.optional().describe('Who has stopped it'),
}).meta({ id: 'Produced' })
export type Produced = z.infer<typeof Produced>
