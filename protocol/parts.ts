// The parts of a message: its texts, and what isn't text for a person, such as reasoning and the
// calls of tools. message-parts.ts derives a message's `content` from them.
import * as z from 'zod'
import { fitsMessage } from './encrypted-text.ts'
import * as limits from './limit-values.ts'
import { AnyJson, shortText, Text } from './scalars.ts'

const Id = shortText(limits.partIdMax)
  .min(1)
  .describe('The part’s id; it occurs once in the message')
const PartText = Text.refine(fitsMessage, {
  message: `must have at most ${limits.messageBytes} bytes`,
  params: { limit_bytes: limits.messageBytes },
})
const Count = z.int().min(0)
const id = { id: Id }

const WebAddress = Text.refine((url) => /^https?:\/\//i.test(url) && URL.canParse(url), {
  message: 'must be an address that begins with http:// or https://',
})

const ToolState = z
  .enum(['calling', 'waiting_approval', 'done', 'failed', 'denied'])
  .describe('How far the call is')

const TextPart = z
  .strictObject({
    ...id,
    type: z.literal('text').describe('A text of the message'),
    text: PartText.describe('The text'),
  })
  .meta({ id: 'TextPart' })
const ReasoningPart = z
  .strictObject({
    ...id,
    type: z.literal('reasoning').describe('What the model has thought'),
    text: PartText.describe('The thoughts'),
    ms: Count.optional().describe('How long the model was thinking'),
  })
  .meta({ id: 'ReasoningPart' })
const ToolPart = z
  .strictObject({
    ...id,
    type: z.literal('tool').describe('The call of a tool'),
    name: Text.describe('The name of the tool'),
    call_id: Text.describe('Names the call, for its result'),
    arguments: AnyJson.describe('What the tool is given'),
    state: ToolState,
    result: AnyJson.optional().describe('What the tool has answered'),
  })
  .meta({ id: 'ToolPart' })
const FilePart = z
  .strictObject({
    ...id,
    type: z.literal('file').describe('A file'),
    file_id: Text.optional().describe('The id of a file on this server'),
    url: Text.optional().describe('Where the file is'),
    name: Text.describe('The name of the file'),
    media_type: Text.describe('Its media type'),
    bytes: Count.optional().describe('Its size'),
    width: Count.optional().describe('The width of a picture, in pixels'),
    height: Count.optional().describe('The height of a picture, in pixels'),
  })
  .refine(({ file_id, url }) => file_id !== undefined || url !== undefined, {
    path: ['url'],
    message: 'must be given, or file_id',
  })
  .meta({ id: 'FilePart' })
const SourcePart = z
  .strictObject({
    ...id,
    type: z.literal('source').describe('A page that the text relies on'),
    url: WebAddress.describe('The address of the page'),
    title: Text.optional().describe('Its title'),
  })
  .meta({ id: 'SourcePart' })
const DataPart = z
  .strictObject({
    ...id,
    type: z
      .templateLiteral(['data-', z.string().min(1).max(limits.partIdMax)])
      .describe('A kind of data that a program has named'),
    value: AnyJson.describe('The data'),
  })
  .meta({ id: 'DataPart' })

/** A part as it is stored and read. */
export const Part = z
  .union([TextPart, ReasoningPart, ToolPart, FilePart, SourcePart, DataPart], {
    error: 'must be a part with the fields that its type has',
  })
  .meta({ id: 'Part' })
export type Part = z.infer<typeof Part>

/** All parts of a message, in order. */
export const Parts = z
  .array(Part)
  .min(1)
  .refine((parts) => new Set(parts.map(({ id }) => id)).size === parts.length, {
    message: 'must not have two parts with the same id',
  })
  .describe('The parts, in order; absent if the message is one text')
