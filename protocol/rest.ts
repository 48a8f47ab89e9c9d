// The one table of routes. http/ serves it, /openapi.json describes it, and the attack tests go
// through it. A route that isn't in the table doesn't exist.
import * as z from 'zod'
import { accountRoutes } from './account-routes.ts'
import { securityRoutes } from './security-routes.ts'
import { Agent, AgentId, Run, RunCreate, RunStatus } from './agents.ts'
import { conversationRoutes } from './conversation-routes.ts'
import { Epoch } from './cursor.ts'
import { Draft, DraftPosition, DraftWrite } from './drafts.ts'
import { Activity } from './activity.ts'
import { ImportRequest, ImportResult, ImportState } from './import.ts'
import { at, cursor, id, limit, page } from './route-parts.ts'
import { routePaths, type RouteName } from './route-paths.ts'
import { Preferences } from './preferences.ts'
import { recordRoutes } from './record-routes.ts'
import { FreeForm, Uuid } from './scalars.ts'
import { Accepted, Sync } from './sync.ts'
import { tokenRoutes } from './token-routes.ts'
import { Topic } from './topics.ts'
import { Usage } from './usage.ts'
import { webhookRoutes } from './webhook-routes.ts'

export interface Route {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** Contains `{name}` for each field of `params`. */
  path: string
  summary: string
  /** Present if anybody may send the request. By default, only signed-in users may. */
  open?: true
  /**
   * `session`: a token doesn't suffice. `service`: only a service key does. Otherwise a token needs
   * the scope `read` for a GET, and `write` for the rest.
   */
  access?: 'session' | 'service'
  params?: z.ZodObject
  query?: z.ZodObject
  body?: z.ZodType
  /** The body is a stream of newline-delimited JSON, and `body` is the shape of a line. */
  streamed?: true
  /** The usual status of the response, and the shape of its body. A 204 has no body. */
  status: 200 | 201 | 202 | 204
  answer?: z.ZodType
  /** The media type of the response, if it isn't JSON. */
  media?: 'text/markdown'
}

export const routes = {
  ...accountRoutes,
  ...tokenRoutes,
  ...webhookRoutes,
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
  getUsage: {
    ...routePaths.getUsage,
    summary: 'What the user has used of what this server limits',
    status: 200,
    answer: Usage,
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

  ...conversationRoutes,

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

  ...recordRoutes,

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
