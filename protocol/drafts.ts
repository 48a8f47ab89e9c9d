// Drafts: text that a person has typed and not sent. A draft belongs to the user, so it follows to
// every device, and it may be as long as a message. Drafts aren't in the log, because what somebody
// deletes while writing must not be kept. `draft` events say that a draft has changed.
import * as z from 'zod'
import { Version } from './cursor.ts'
import { MessageContent } from './message.ts'
import { ReadOnly, Text, Time, Uuid } from './scalars.ts'

/** What the text is for, in the words of the program that wrote it. */
const Place = Text.min(1).max(200).describe('What the text is for: a name that the client chooses')

/**
 * Several drafts may have the same place: devices that wrote there without knowing of each other.
 */
export const Draft = z
  .object({
    id: Uuid.describe('The draft’s id'),
    place: Place,
    text: MessageContent.describe('What was typed'),
    created_at: Time.describe('When it was first written'),
    updated_at: Time.describe('When it was last written'),
    version: Version,
  })
  .meta({ id: 'Draft' })
export type Draft = z.infer<typeof Draft>

/** A draft without its text. */
export const DraftPosition = Draft.omit({ text: true })
export type DraftPosition = z.infer<typeof DraftPosition>

/**
 * Replaces the whole text. With `offset`, `text` replaces only `removed` UTF-16 units from there
 * on, so that a long draft isn't sent again with each word.
 */
export const DraftWrite = z
  .strictObject({
    place: Place,
    text: MessageContent.describe('The whole text, or the piece that goes to `offset`'),
    offset: z.int().min(0).optional().describe('Where the piece goes, in UTF-16 units'),
    removed: z.int().min(0).optional().describe('How many UTF-16 units the piece replaces'),
    id: ReadOnly,
    created_at: ReadOnly,
    updated_at: ReadOnly,
    version: ReadOnly,
  })
  .refine(({ offset, removed }) => (offset === undefined) === (removed === undefined), {
    path: ['offset'],
    message: 'must be given together with removed',
  })
  .meta({ id: 'DraftWrite' })
export type DraftWrite = z.infer<typeof DraftWrite>

/** A draft has this version now; null: it is gone. */
export const DraftNotice = z
  .object({
    draft_id: Uuid.describe('The draft that has changed'),
    version: Version.nullable().describe('Null: the draft is gone'),
  })
  .meta({ id: 'DraftNotice' })
export type DraftNotice = z.infer<typeof DraftNotice>
