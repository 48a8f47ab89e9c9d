// Parts that several routes of rest.ts share.
import * as z from 'zod'
import { ConversationUpdate } from './conversations.ts'
import { Epoch, Seq } from './cursor.ts'
import { ReadOnly, Uuid } from './scalars.ts'

export const limit = (fallback: number, max: number) =>
  z.coerce.number().int().min(1).max(max).default(fallback).describe('How many items at most')
export const cursor = z.string().max(1000).optional().describe('`next_cursor` of the page before')
export const before = z.coerce
  .number()
  .int()
  .min(1)
  .optional()
  .describe('Only messages before this position')
export const at = { epoch: Epoch, seq: Seq }
export const page = <T extends z.ZodType>(item: T) =>
  z.object({
    items: z.array(item).describe('One page'),
    next_cursor: z.string().nullable().describe('The `cursor` of the next page; null at the end'),
  })
export const id = z.strictObject({ id: Uuid.describe('The id of the entity') })
/** Accepts a conversation as a GET returned it. Fields that a client may not set are ignored. */
export const ConversationPut = ConversationUpdate.extend({
  ...Object.fromEntries(
    [
      'id',
      'user_id',
      'message_count',
      'removed_count',
      'removed',
      'preview',
      'has_more',
      'created_at',
      'updated_at',
      'deleted_at',
      'version',
      'epoch',
      'seq',
    ].map((name) => [name, ReadOnly]),
  ),
})
