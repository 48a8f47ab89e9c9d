// The one table of routes. http/ serves it, /openapi.json describes it, and the attack tests go
// through it. A route that isn't in the table doesn't exist.
import * as z from 'zod'
import { accountRoutes } from './account-routes.ts'
import { securityRoutes } from './security-routes.ts'
import { Agent, AgentId, Run, RunCreate, RunStatus } from './agents.ts'
import { Epoch } from './cursor.ts'
import {
  Conversation,
  ConversationCreate,
  NewMessages,
  ReplyIds,
  ReplyRequest,
  Rewind,
  StopRequest,
  Summary,
} from './conversations.ts'
import { Draft, DraftPosition, DraftWrite } from './drafts.ts'
import { Activity } from './activity.ts'
import { ImportRequest, ImportResult, ImportState } from './import.ts'
import { at, before, ConversationPut, cursor, id, limit, page } from './route-parts.ts'
import { routePaths, type RouteName } from './route-paths.ts'
import { Preferences } from './preferences.ts'
import { FreeForm, Text, Time, Uuid } from './scalars.ts'
import { Accepted, Sync } from './sync.ts'
import { Topic } from './topics.ts'

export interface Route {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  /** Contains `{name}` for each field of `params`. */
  path: string
  summary: string
  /** Present if anybody may send the request. By default, only signed-in users may. */
  open?: true
  params?: z.ZodObject
  query?: z.ZodObject
  body?: z.ZodType
  /** The usual status of the response, and the shape of its body. A 204 has no body. */
  status: 200 | 201 | 202 | 204
  answer?: z.ZodType
  /** The media type of the response, if it isn't JSON. */
  media?: 'text/markdown'
}

const conversation = Conversation.extend(at)

export const routes = {
  ...accountRoutes,
  ...securityRoutes,

  getPreferences: {
    ...routePaths.getPreferences,
    summary: 'All preferences',
    status: 200,
    answer: Preferences.extend(at),
  },
  putPreferences: {
    ...routePaths.putPreferences,
    summary: 'Merge a patch into the preferences (RFC 7396)',
    body: FreeForm,
    status: 200,
    answer: Preferences.extend(at),
  },
  listDrafts: {
    ...routePaths.listDrafts,
    summary: 'Texts that were typed and not sent, ordered by id',
    query: z.strictObject({ limit: limit(50, 200), cursor }),
    status: 200,
    answer: page(Draft),
  },
  getDraft: {
    ...routePaths.getDraft,
    summary: 'One draft',
    params: id,
    status: 200,
    answer: Draft,
  },
  putDraft: {
    ...routePaths.putDraft,
    summary: 'Write a draft, or a piece of it; 201 when it is new',
    params: id,
    body: DraftWrite,
    status: 200,
    answer: DraftPosition,
  },
  deleteDraft: {
    ...routePaths.deleteDraft,
    summary: 'Remove a draft; nothing of it is kept',
    params: id,
    status: 204,
  },
  listActivity: {
    ...routePaths.listActivity,
    summary: 'What changed, when, from which device; newest first',
    query: z.strictObject({
      limit: limit(50, 200),
      cursor,
      topic: Topic.optional().describe('Only changes of this topic'),
      entity_id: Uuid.optional().describe('Only changes of this entity'),
    }),
    status: 200,
    answer: page(Activity),
  },
  exportMe: {
    ...routePaths.exportMe,
    summary: 'Everything the user owns, as one JSON document',
    status: 200,
    answer: z.looseObject({}),
  },
  getImport: {
    ...routePaths.getImport,
    summary: 'Where the user’s import is in the queue of this node',
    status: 200,
    answer: ImportState,
  },
  importMe: {
    ...routePaths.importMe,
    summary:
      'Bring in an export of Lockstep or of another product; repeating it creates nothing twice',
    body: ImportRequest,
    status: 200,
    answer: ImportResult,
  },

  listConversations: {
    ...routePaths.listConversations,
    summary: 'Summaries, newest `updated_at` first',
    query: z.strictObject({
      limit: limit(50, 200),
      cursor,
      q: Text.max(500).optional().describe('Only conversations whose title or text contains this'),
      match: z
        .enum(['text', 'words'])
        .default('text')
        .describe('`words`: every word of `q` has to be there, in whatever order and message'),
      state: z
        .enum(['active', 'archived', 'trash'])
        .default('active')
        .describe('The list: active, archived, or in the trash'),
    }),
    status: 200,
    answer: page(Summary).extend({
      ...at,
      excerpts: z
        .array(
          z.object({
            conversation_id: Uuid.describe('A conversation of this page'),
            text: z.string().describe('Part of its newest message that matches'),
          }),
        )
        .optional()
        .describe('With `match=words`: what was found in messages'),
    }),
  },
  createConversation: {
    ...routePaths.createConversation,
    summary: 'Create a conversation; 200 with the present one when its id was used before',
    body: ConversationCreate,
    status: 201,
    answer: conversation,
  },
  getConversation: {
    ...routePaths.getConversation,
    summary: 'A conversation with its newest messages, or those before a position',
    params: id,
    query: z.strictObject({
      before,
      limit: limit(100, 500),
      state: z.enum(['active', 'trash']).optional().describe('Where it has to be'),
    }),
    status: 200,
    answer: conversation,
  },
  putConversation: {
    ...routePaths.putConversation,
    summary: 'Change fields, append and edit messages; messages merge by id',
    params: id,
    body: ConversationPut,
    status: 200,
    answer: conversation,
  },
  deleteConversation: {
    ...routePaths.deleteConversation,
    summary: 'Move it to the trash; it is purged after 30 days',
    params: id,
    status: 204,
  },
  restoreConversation: {
    ...routePaths.restoreConversation,
    summary: 'Take it back from the trash',
    params: id,
    status: 200,
    answer: conversation,
  },
  purgeConversation: {
    ...routePaths.purgeConversation,
    summary: 'Remove its content for ever',
    params: id,
    status: 204,
  },
  getConversationAt: {
    ...routePaths.getConversationAt,
    summary:
      'The conversation as it was at a `seq` or a time, with its newest messages then, or those before a position',
    params: id,
    query: z
      .strictObject({
        seq: z.coerce.number().int().min(1).optional().describe('After this change of the topic'),
        time: Time.optional().describe('At this time'),
        before,
        limit: limit(100, 500),
      })
      .refine(({ seq, time }) => (seq === undefined) !== (time === undefined), {
        path: ['seq'],
        message: 'must be given, or time, but not both',
      }),
    status: 200,
    answer: conversation,
  },
  rewindConversation: {
    ...routePaths.rewindConversation,
    summary: 'Bring back what it was at a `seq`, as a new change: messages that came later stay',
    params: id,
    body: Rewind,
    status: 200,
    answer: conversation,
  },
  appendMessages: {
    ...routePaths.appendMessages,
    summary: 'Append messages; those with a known id are left as they are',
    params: id,
    body: NewMessages,
    status: 200,
    answer: conversation,
  },
  startReply: {
    ...routePaths.startReply,
    summary: 'Start an assistant’s reply; one that exists is answered with its ids',
    params: id,
    body: ReplyRequest,
    status: 202,
    answer: ReplyIds,
  },
  stopReply: {
    ...routePaths.stopReply,
    summary: 'Stop a reply that is being written; one that has ended stays as it is',
    params: id,
    body: StopRequest,
    status: 200,
    answer: conversation,
  },
  getConversationMarkdown: {
    ...routePaths.getConversationMarkdown,
    summary: 'The conversation as Markdown: the newest version of each message',
    params: id,
    status: 200,
    answer: z.string(),
    media: 'text/markdown',
  },

  listAgents: {
    ...routePaths.listAgents,
    summary: 'The agents that can run',
    status: 200,
    answer: z.object({ items: z.array(Agent).describe('All agents') }),
  },
  listRuns: {
    ...routePaths.listRuns,
    summary: 'Runs, newest first',
    query: z.strictObject({
      limit: limit(50, 200),
      cursor,
      agent: AgentId.optional().describe('Only runs of this agent'),
      status: RunStatus.optional().describe('Only runs in this state'),
      conversation_id: Uuid.optional().describe('Only runs that write into this conversation'),
    }),
    status: 200,
    answer: page(Run).extend(at),
  },
  createRun: {
    ...routePaths.createRun,
    summary: 'Start a run; 200 with the present one when its id was used before',
    body: RunCreate,
    status: 202,
    answer: Run,
  },
  getRun: { ...routePaths.getRun, summary: 'One run', params: id, status: 200, answer: Run },
  deleteRun: { ...routePaths.deleteRun, summary: 'Remove a run', params: id, status: 204 },
  stopRun: { ...routePaths.stopRun, summary: 'Stop a run', params: id, status: 200, answer: Run },

  readChanges: {
    ...routePaths.readChanges,
    summary: 'For a device that no WebSocket reaches: what changed in a topic since its cursor',
    params: z.strictObject({ topic: Topic.describe('Whose changes') }),
    query: z
      .strictObject({
        epoch: Epoch.optional().describe('Of the device’s cursor; absent: it has nothing yet'),
        seq: z.coerce.number().int().min(0).optional().describe('Of the device’s cursor'),
      })
      .refine(({ epoch, seq }) => (epoch === undefined) === (seq === undefined), {
        path: ['seq'],
        message: 'must be given together with epoch',
      }),
    status: 200,
    answer: Sync,
  },
  sendCommand: {
    ...routePaths.sendCommand,
    summary: 'For a device that no WebSocket reaches: a command, as a socket sends it',
    params: z.strictObject({
      topic: Topic.describe('Whose command'),
      command: z.string().max(30).describe('Its name'),
    }),
    body: z.looseObject({}).describe('The fields of the command and its `mutation_id`'),
    status: 200,
    answer: Accepted,
  },
} as const satisfies Record<keyof typeof routePaths, Route>

type Schema<Name extends RouteName, Part extends string> =
  (typeof routes)[Name] extends Record<Part, infer S extends z.ZodType> ? S : never
type Output<S> = [S] extends [never] ? undefined : S extends z.ZodType ? z.output<S> : undefined
type Input<S> = [S] extends [never] ? undefined : S extends z.ZodType ? z.input<S> : undefined

/** The parsed request that a handler gets. */
export interface Asked<Name extends RouteName> {
  params: Output<Schema<Name, 'params'>>
  query: Output<Schema<Name, 'query'>>
  body: Output<Schema<Name, 'body'>>
}
/** The request that a client sends. */
export interface Asking<Name extends RouteName> {
  params: Input<Schema<Name, 'params'>>
  query: Input<Schema<Name, 'query'>>
  body: Input<Schema<Name, 'body'>>
}
/** The response; undefined where the route answers 204. */
export type Answer<Name extends RouteName> = Output<Schema<Name, 'answer'>>
