// /openapi.json. It is made from the table of routes, so it describes what is served.
import * as z from 'zod'
import { errors } from '@lockstep/protocol/error-codes'
import { Problem } from '@lockstep/protocol/problem'
import { routes, type Route } from '@lockstep/protocol/rest'
import { WebhookDelivery } from '@lockstep/protocol/webhooks'
import { SESSION_COOKIE } from '../auth/session-cookie.ts'
import { SchemaComponents } from './schema-components.ts'

let document: object | undefined

/** The description of the API in OpenAPI 3.1. It is made once. */
export const openApiDocument = (): object => (document ??= describe())

function describe(): object {
  const components = new SchemaComponents()
  const paths: Record<string, Record<string, object>> = {}
  for (const [name, route] of Object.entries<Route>(routes))
    (paths[route.path] ??= {})[route.method.toLowerCase()] = operation(name, route, components)
  for (const [path, route] of Object.entries(operatorRoutes))
    paths[path] = { get: operatorOperation(route) }
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
        'Keeps the conversations, preferences and agent runs of a user in step on all devices. Changes are pushed over Socket.IO.',
    },
    paths,
    webhooks: { change: { post: delivery(components) } },
    components: {
      schemas: components.schemas,
      securitySchemes: {
        session: { type: 'apiKey', in: 'cookie', name: SESSION_COOKIE },
        token: { type: 'http', scheme: 'bearer', description: 'A token, or a service key' },
      },
      responses: {
        Problem: {
          description: `The error, named by \`code\`: ${codes}`,
          content: { 'application/problem+json': { schema: problem } },
        },
      },
    },
  }
}

interface OperatorRoute {
  operationId: string
  summary: string
  media?: string
}

/** The routes of operator-routes.ts, which aren't in the table. */
const operatorRoutes: Record<string, OperatorRoute> = {
  '/healthz': { operationId: 'isAlive', summary: 'Whether the process is alive' },
  '/readyz': { operationId: 'isReady', summary: 'Whether this node may receive traffic' },
  '/metrics': { operationId: 'getMetrics', summary: 'Metrics for Prometheus', media: 'text/plain' },
  '/openapi.json': { operationId: 'getOpenApi', summary: 'This description' },
  '/asyncapi.json': {
    operationId: 'getAsyncApi',
    summary: 'The description of the socket protocol',
  },
}

function operatorOperation({
  operationId,
  summary,
  media = 'application/json',
}: OperatorRoute): object {
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

/** The ways in which a request may prove its user; one of them is enough. */
const securityOf = {
  any: [{ session: [] }, { token: [] }],
  session: [{ session: [] }],
  service: [{ token: [] }],
}

function operation(name: string, route: Route, components: SchemaComponents): object {
  const { summary, status, body, answer, open, access = 'any', media = 'application/json' } = route
  const sent = route.streamed ? 'application/x-ndjson' : 'application/json'
  const content = (schema: object) => ({ [sent]: { schema } })
  const merges = name === 'putPreferences' && {
    'application/merge-patch+json': { schema: { type: 'object' } },
  }
  return {
    operationId: name,
    summary,
    ...(!open && { security: securityOf[access] }),
    parameters: [
      ...parameters('path', route.params, components),
      ...parameters('query', route.query, components),
      ...headers(route),
    ],
    ...(body && {
      requestBody: {
        required: true,
        content: { ...content(components.add(body, 'input')), ...merges },
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

/** What this server sends to the addresses of `POST /webhooks`. */
const delivery = (components: SchemaComponents): object => ({
  operationId: 'receiveChange',
  summary: 'A change of a user, in order per user and topic, at least once',
  parameters: [
    {
      ...header(
        'Lockstep-Signature',
        '`t=<Unix seconds>,v1=<HMAC-SHA256 of t, a point and the body>`',
      ),
      required: true,
    },
  ],
  requestBody: {
    required: true,
    content: { 'application/json': { schema: components.add(WebhookDelivery, 'output') } },
  },
  responses: { '2XX': { description: 'Taken. Anything else is tried again' } },
})

function parameters(
  location: 'path' | 'query',
  schema: z.ZodObject | undefined,
  components: SchemaComponents,
): object[] {
  return Object.entries(schema?.shape ?? {}).map(([name, field]) => {
    const { description, ...described } = components.add(field as z.ZodType, 'input')
    return {
      name,
      in: location,
      description,
      required: location === 'path' || !z.safeParse(field, undefined).success,
      schema: described,
    }
  })
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
    ...(open ? [] : [header('Lockstep-User', 'The id of the user whose state the client holds')]),
    ...(method === 'GET'
      ? []
      : [
          header(
            'Idempotency-Key',
            'A UUID. Repeating the request with it returns the first outcome',
          ),
        ]),
    ...(method === 'PUT' && versioned
      ? [header('If-Match', 'The ETag of the version that the change requires')]
      : []),
  ]
}
