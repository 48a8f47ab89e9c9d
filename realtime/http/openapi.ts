// /openapi.json, made from the table of routes: what is described is what is served.
import * as z from 'zod'
import { errors } from '@lockstep/protocol/error-codes'
import { Problem } from '@lockstep/protocol/problem'
import { routes, type Route } from '@lockstep/protocol/rest'
import { SESSION_COOKIE } from '../auth/session-cookie.ts'
import { SchemaComponents } from './schema-components.ts'

let made: object | undefined

/** The API in OpenAPI 3.1; made once. */
export const openApiDocument = (): object => (made ??= describe())

function describe(): object {
  const components = new SchemaComponents()
  const paths: Record<string, Record<string, object>> = {}
  for (const [name, route] of Object.entries<Route>(routes))
    (paths[route.path] ??= {})[route.method.toLowerCase()] = operation(name, route, components)
  for (const [path, one] of Object.entries(forOperators)) paths[path] = { get: forOperator(one) }
  const problem = components.add(Problem, 'output')
  const codes = Object.entries(errors)
    .map(([code, { status }]) => `${code} (${status})`)
    .join(', ')
  return {
    openapi: '3.1.1',
    info: {
      title: 'Lockstep',
      version: '1',
      description:
        'Conversations, preferences and agent runs of a user, alike on all devices. Changes come over Socket.IO.',
    },
    paths,
    components: {
      schemas: components.schemas,
      securitySchemes: { session: { type: 'apiKey', in: 'cookie', name: SESSION_COOKIE } },
      responses: {
        Problem: {
          description: `What went wrong, by \`code\`: ${codes}`,
          content: { 'application/problem+json': { schema: problem } },
        },
      },
    },
  }
}

interface ForOperators {
  operationId: string
  summary: string
  media?: string
}

/** What is there beside the table, for whoever runs it: operations.ts. */
const forOperators: Record<string, ForOperators> = {
  '/healthz': { operationId: 'isAlive', summary: 'Whether the process lives' },
  '/readyz': { operationId: 'isReady', summary: 'Whether this node may get traffic' },
  '/metrics': { operationId: 'getMetrics', summary: 'Figures for Prometheus', media: 'text/plain' },
  '/openapi.json': { operationId: 'getOpenApi', summary: 'This description' },
  '/asyncapi.json': { operationId: 'getAsyncApi', summary: 'The sockets, described' },
}

function forOperator({ operationId, summary, media = 'application/json' }: ForOperators): object {
  const schema = { type: media === 'text/plain' ? 'string' : 'object' }
  return {
    operationId,
    summary,
    responses: {
      200: { description: 'Done', content: { [media]: { schema } } },
      default: { $ref: '#/components/responses/Problem' },
    },
  }
}

function operation(name: string, route: Route, components: SchemaComponents): object {
  const { summary, status, body, answer, open, media = 'application/json' } = route
  const json = (schema: object) => ({ 'application/json': { schema } })
  const merges = name === 'putPreferences' && {
    'application/merge-patch+json': { schema: { type: 'object' } },
  }
  return {
    operationId: name,
    summary,
    ...(!open && { security: [{ session: [] }] }),
    parameters: [
      ...parameters('path', route.params, components),
      ...parameters('query', route.query, components),
      ...headers(route),
    ],
    ...(body && {
      requestBody: {
        required: true,
        content: { ...json(components.add(body, 'input')), ...merges },
      },
    }),
    responses: {
      [status]: {
        description: 'Done',
        ...(answer && { content: { [media]: { schema: components.add(answer, 'output') } } }),
      },
      default: { $ref: '#/components/responses/Problem' },
    },
  }
}

function parameters(
  place: 'path' | 'query',
  schema: z.ZodObject | undefined,
  components: SchemaComponents,
): object[] {
  return Object.entries(schema?.shape ?? {}).map(([name, field]) => ({
    name,
    in: place,
    required: place === 'path' || !z.safeParse(field, undefined).success,
    schema: components.add(field as z.ZodType, 'input'),
  }))
}

const header = (name: string, description: string) => ({
  name,
  in: 'header',
  description,
  schema: { type: 'string' },
})

function headers({ method, open, answer }: Route): object[] {
  const versioned = answer instanceof z.ZodObject && 'version' in answer.shape
  return [
    ...(open ? [] : [header('Lockstep-User', 'Id of the user whose state the client holds')]),
    ...(method === 'GET'
      ? []
      : [header('Idempotency-Key', 'A UUID: repeating the request gives the first outcome')]),
    ...(method === 'PUT' && versioned
      ? [header('If-Match', 'The ETag that the change insists on')]
      : []),
  ]
}
