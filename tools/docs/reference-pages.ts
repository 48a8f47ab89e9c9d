// The reference of HTTP and sockets, made from the descriptions that a server publishes.
import path from 'node:path'
import { asyncApiDocument } from '../../realtime/http/asyncapi.ts'
import { openApiDocument } from '../../realtime/http/openapi.ts'
import { errorPages } from './error-pages.ts'
import { cell, fileName, table, type Page } from './page.ts'
import { SchemaTables, type Schema } from './schema-table.ts'

interface Media {
  content?: Record<string, { schema: Schema }>
}
export interface Operation {
  operationId: string
  summary: string
  security?: Record<string, unknown>[]
  parameters?: {
    name: string
    in: string
    required?: boolean
    description?: string
    schema: Schema
  }[]
  requestBody?: Media
  responses: Record<string, Media>
}
export interface OpenApi {
  paths: Record<string, Record<string, Operation>>
  components: { schemas: Record<string, Schema> }
}
interface Reference {
  $ref: string
}
interface AsyncApi {
  channels: Record<string, { address: string; messages: Record<string, Reference> }>
  operations: Record<
    string,
    {
      action: 'send' | 'receive'
      channel: Reference
      messages: Reference[]
      reply?: { messages: Reference[] }
    }
  >
  components: {
    messages: Record<string, { summary: string; payload: Reference }>
    schemas: Record<string, Schema>
  }
}

// JSON made by the two functions: these are its parts that the pages need
export const openApi = (): OpenApi => openApiDocument() as OpenApi
const asyncApi = (): AsyncApi => asyncApiDocument() as AsyncApi

/** The beginning of a path -> the page that has it. The first match counts. */
const areas: [prefix: string, title: string, about: string][] = [
  ['/auth', 'Signing in', 'Accounts, sign-in, second steps and sign-out.'],
  ['/users/me/security', 'Security', 'What protects the account.'],
  ['/users/me/passkeys', 'Security', ''],
  ['/users/me/second-step', 'Security', ''],
  ['/users/me/recovery-codes', 'Security', ''],
  ['/users/me/sessions', 'Security', ''],
  ['/users/me/password', 'Security', ''],
  ['/users/me/tokens', 'Tokens', 'How programs and pages of other sites sign in.'],
  ['/tokens', 'Tokens', ''],
  ['/users', 'The user', 'Preferences, drafts, activity, export and import.'],
  ['/conversations', 'Conversations', 'Conversations, their messages and replies.'],
  ['/agent', 'Agents and runs', 'What can run, and what has run.'],
  ['/topics', 'Without a socket', 'The way of a device that no WebSocket reaches.'],
  ['/', 'For operators', 'Health, metrics and the descriptions of the API.'],
]
const areaOf = (path: string): string => areas.find(([prefix]) => path.startsWith(prefix))![1]

const credentials: Record<string, string> = {
  session: 'the session’s cookie',
  token: 'a token (`Authorization: Bearer …`)',
}

export function referencePages(): Page[] {
  const http = openApi()
  const sockets = asyncApi()
  const pages = httpPages(http)
  const socketPages = topicPages(sockets)
  const shapes = { ...sockets.components.schemas, ...http.components.schemas }
  return [
    {
      file: 'reference/http.md',
      title: 'HTTP',
      group: 'Reference',
      children: pages.map(({ file }) => file),
      text: [
        'Every route of the HTTP API, made from the table by which the server serves it. Errors are [problems](errors.md). To send requests from here, open [the interactive page](/try.html).',
        table(
          ['Request', 'What it does'],
          Object.entries(http.paths).flatMap(([path, operations]) =>
            Object.entries(operations).map(([method, { summary }]) => [
              `[\`${method.toUpperCase()} ${path}\`](http/${slugOf(areaOf(path))}.md#${anchorOf(method, path)})`,
              cell(summary),
            ]),
          ),
        ),
      ].join('\n\n'),
    },
    ...pages,
    {
      file: 'reference/sockets.md',
      title: 'Sockets',
      group: 'Reference',
      children: socketPages.map(({ file }) => file),
      text: [
        'A topic is a namespace of Socket.IO 4, at the path `/socket.io`, by WebSocket. The server sends events; a device sends commands, and the ack is the answer. [The contract](../protocol/SPEC.md) has the rules.',
        socketPages
          .map(({ file, title }) => `- [${title}](sockets/${path.posix.basename(file)})`)
          .join('\n'),
        messageSection(sockets, 'handshake', '##', new SchemaTables('shapes.md')),
      ].join('\n\n'),
    },
    ...socketPages,
    ...errorPages(),
    {
      file: 'reference/shapes.md',
      title: 'Shapes',
      group: 'Reference',
      text: [
        'The named schemas of HTTP and sockets. `?` marks a field that may be absent.',
        ...Object.keys(shapes)
          .sort((a, b) => a.localeCompare(b, 'en'))
          .map((name) => shapeSection(name, shapes[name]!)),
      ].join('\n\n'),
    },
  ]
}

function shapeSection(name: string, schema: Schema): string {
  const fields = new SchemaTables('').fields(schema)
  const about =
    schema.description && !fields.includes(schema.description) ? `${schema.description}\n\n` : ''
  return `## ${name}\n\n${about}${fields}`
}

const slugOf = (title: string): string => fileName(title.replaceAll(' ', '-'))
/** As the site makes anchors of headings. */
const anchorOf = (method: string, path: string): string =>
  `${method} ${path}`
    .toLowerCase()
    .replaceAll(/[^\w\- ]/g, '')
    .replaceAll(' ', '-')

function httpPages({ paths }: OpenApi): Page[] {
  const tables = new SchemaTables('../shapes.md')
  const titles = [...new Set(areas.map(([, title]) => title))]
  return titles.map((title) => {
    const [, , about] = areas.find(([, name]) => name === title)!
    const own = Object.entries(paths).filter(([path]) => areaOf(path) === title)
    const sections = own.flatMap(([path, operations]) =>
      Object.entries(operations).map(([method, operation]) =>
        operationSection(method, path, operation, tables),
      ),
    )
    return {
      file: `reference/http/${slugOf(title)}.md`,
      title,
      text: [about, ...sections].join('\n\n'),
    }
  })
}

function operationSection(
  method: string,
  path: string,
  { summary, security, parameters = [], requestBody, responses, operationId }: Operation,
  tables: SchemaTables,
): string {
  const [[status = '200', answer] = []] = Object.entries(responses)
  const ways = security?.flatMap((one) => Object.keys(one)).map((name) => credentials[name])
  const body = Object.entries(requestBody?.content ?? {})
  const answered = Object.entries(answer?.content ?? {})
  return [
    `## ${method.toUpperCase()} ${path}`,
    `${summary}. ${ways ? `It needs ${ways.join(' or ')}.` : 'Anybody may send it.'} In the SDK: \`engine.call('${operationId}', …)\`.`,
    table(
      ['Parameter', 'In', 'Kind', 'What it is'],
      parameters.map(({ name, in: place, required, description = '', schema }) => [
        `\`${name}\`${required ? '' : '?'}`,
        place,
        tables.kind(schema),
        cell(description),
      ]),
    ),
    ...body.map(([media, { schema }]) => `**Body**, \`${media}\`\n\n${tables.fields(schema)}`),
    ...(answered.length === 0 ? [`**Response** ${status}, without a body`] : []),
    ...answered.map(
      ([media, { schema }]) => `**Response** ${status}, \`${media}\`\n\n${tables.fields(schema)}`,
    ),
  ]
    .filter(Boolean)
    .join('\n\n')
}

const last = ({ $ref }: Reference): string => $ref.slice($ref.lastIndexOf('/') + 1)

function topicPages(document: AsyncApi): Page[] {
  const tables = new SchemaTables('../shapes.md')
  return Object.entries(document.channels).map(([topic, { address, messages }]) => {
    const operations = Object.values(document.operations).filter(
      ({ channel }) => last(channel) === topic,
    )
    const named = (action: 'send' | 'receive') =>
      operations
        .filter((operation) => operation.action === action)
        .flatMap((operation) => operation.messages.map(last))
        .filter((name) => name !== 'handshake')
    const ackOf = (name: string) =>
      `Its ack: ${tables.kind(document.components.messages[`${topic}.${name}.ack`]!.payload)}.`
    const section = (name: string) => messageSection(document, last(messages[name]!), '###', tables)
    return {
      file: `reference/sockets/${topic}.md`,
      title: `/${topic}`,
      text: [
        `The namespace \`${address}\`.`,
        '## What the server sends',
        ...named('send').map(section),
        '## Commands',
        'A command that has a `mutation_id` may be repeated.',
        ...named('receive').flatMap((name) => [section(name), ackOf(name)]),
      ].join('\n\n'),
    }
  })
}

function messageSection(
  { components }: AsyncApi,
  name: string,
  heading: string,
  tables: SchemaTables,
): string {
  const { summary, payload } = components.messages[name]!
  const schema = components.schemas[last(payload)]!
  const title = name.slice(name.indexOf('.') + 1)
  return `${heading} ${title}\n\n${summary}. Shape: ${tables.kind(payload)}.\n\n${tables.fields(schema)}`
}
