// /asyncapi.json, made from the tables of changes and commands. So it always describes what the
// sockets really take and send.
import * as z from 'zod'
import { WireChange } from '@lockstep/protocol/change'
import { wireCommands } from '@lockstep/protocol/commands'
import { DraftNotice } from '@lockstep/protocol/drafts'
import {
  Delta,
  Draining,
  Handshake,
  Head,
  Presence,
  RangeAnswer,
  RangeRequest,
  Refused,
  requestAckOf,
  Sync,
} from '@lockstep/protocol/sync'
import { topicTable } from '@lockstep/protocol/topic-table'
import { topics, type Topic } from '@lockstep/protocol/topics'
import { Trace } from '@lockstep/protocol/traces'
import { PROTOCOL } from '@lockstep/protocol/version'
import { SESSION_COOKIE } from '../auth/session-cookie.ts'
import { SchemaComponents, type Schema } from './schema-components.ts'

let made: object | undefined

/**
 * The sockets in AsyncAPI 3.0, from the server's side: it `send`s events and `receive`s commands.
 * Made once.
 */
export const asyncApiDocument = (): object => (made ??= describe())

interface Event {
  summary: string
  schema: z.ZodType
  /** The namespaces that send the event. All of them do if this is absent. */
  topics?: readonly Topic[]
}

const events: Record<string, Event> = {
  head: { summary: 'About every 25 s, so that a lost last change is noticed', schema: Head },
  delta: {
    summary: 'Streamed text between durable changes; may be lost',
    schema: Delta,
    topics: ['conversations', 'agents'],
  },
  presence: {
    summary: 'A device comes, goes, or looks elsewhere',
    schema: Presence,
    topics: ['account'],
  },
  draft: {
    summary: 'A draft has changed, or is gone; may be lost',
    schema: DraftNotice,
    topics: ['account'],
  },
  trace: {
    summary: 'For developers’ tools: a device has a change; may be lost',
    schema: Trace,
    topics: ['account'],
  },
  draining: { summary: 'This node is about to stop: connect again', schema: Draining },
}

function describe(): object {
  const components = new SchemaComponents()
  const messages: Schema = {
    handshake: message('`auth` of the handshake', components.add(Handshake, 'input')),
    range: message(
      'Asks for changes, both ends included',
      components.name('RangeRequest', components.add(RangeRequest, 'input')),
    ),
  }
  for (const [name, { summary, schema }] of Object.entries(events))
    messages[name] = message(summary, components.add(schema, 'output'), name)
  // what they are for all topics together, for those of each
  for (const schema of [WireChange, Sync, RangeAnswer]) components.add(schema, 'output')
  const channels: Schema = {}
  const operations: Schema = {}
  for (const topic of topics) {
    Object.assign(messages, messagesOf(topic, components))
    const sent = [
      ...['change', 'sync'],
      ...Object.keys(events).filter((name) => events[name]!.topics?.includes(topic) ?? true),
    ]
    const received = ['handshake', 'range', ...wireCommands[topic].keys()]
    const own = (name: string) => (messages[`${topic}.${name}`] ? `${topic}.${name}` : name)
    const acks = received.filter((name) => name !== 'handshake').map((name) => `${name}.ack`)
    const referred = [...sent, ...received, ...acks].map((name) => [
      name,
      reference('components', 'messages', own(name)),
    ])
    channels[topic] = {
      address: `/${topic}`,
      description: `Socket.IO namespace, path /socket.io, transport websocket, protocol ${PROTOCOL}`,
      servers: [reference('servers', 'node')],
      messages: Object.fromEntries(referred),
    }
    Object.assign(operations, operationsOf(topic, sent, received))
  }
  const { Change: _change, Sync: _sync, RangeAnswer: _answer, ...schemas } = components.schemas
  return {
    asyncapi: '3.0.0',
    info: {
      title: 'Lockstep, live',
      version: '1',
      description:
        'One namespace per topic, authenticated by the session cookie. The REST side is at /openapi.json.',
    },
    defaultContentType: 'application/json',
    servers: {
      node: {
        host: '{host}',
        pathname: '/socket.io',
        protocol: 'wss',
        description: 'The address of the page, over Socket.IO 4',
        variables: { host: { default: 'localhost:3000', description: 'Host and port' } },
        security: [
          reference('components', 'securitySchemes', 'session'),
          reference('components', 'securitySchemes', 'token'),
        ],
      },
    },
    channels,
    operations,
    components: {
      messages,
      schemas,
      securitySchemes: {
        session: {
          type: 'httpApiKey',
          in: 'cookie',
          name: SESSION_COOKIE,
          description: 'The cookie that sign-up and sign-in set',
        },
        token: { type: 'http', scheme: 'bearer', description: 'As `token` of the handshake' },
      },
    },
  }
}

/** The messages that are a topic's own: its changes, its commands and their acks. */
function messagesOf(topic: Topic, components: SchemaComponents): Schema {
  const commands = Array.from(wireCommands[topic], ([name, { schema, ack }]) => {
    const ownName = `${capitalized(topic)}${capitalized(name)}`
    const payload = components.name(`${ownName}Command`, components.add(schema, 'input'))
    return [
      [`${topic}.${name}`, message('A command', payload, name)],
      [
        `${topic}.${name}.ack`,
        message(`The answer to \`${name}\``, ackOf(ownName, ack, components)),
      ],
    ]
  }).flat()
  const change = changeOf(topic, components)
  const withChanges = (name: 'Sync' | 'RangeAnswer') => {
    // Assertion: `describe` has added both, and they have changes.
    const general = components.schemas[name] as { properties: { changes: Schema } }
    const { properties } = general
    const changes = { ...properties.changes, items: change }
    return components.name(`${capitalized(topic)}${name}`, {
      ...general,
      properties: { ...properties, changes },
    })
  }
  return {
    [`${topic}.change`]: message('A change, live and in order', change, 'change'),
    [`${topic}.sync`]: message(
      'First, and whenever a device is caught up',
      withChanges('Sync'),
      'sync',
    ),
    [`${topic}.range.ack`]: message(
      'The answer to `range`',
      rangeAckOf(topic, withChanges('RangeAnswer'), components),
    ),
    ...Object.fromEntries(commands),
  }
}

function operationsOf(topic: Topic, sent: readonly string[], received: readonly string[]): Schema {
  const channel = reference('channels', topic)
  const inChannel = (name: string) => [reference('channels', topic, 'messages', name)]
  const replyTo = (name: string) => ({
    reply: { channel, messages: inChannel(`${name}.ack`) },
  })
  return Object.fromEntries([
    ...sent.map((name) => [
      `${topic}.send.${name}`,
      { action: 'send', channel, messages: inChannel(name) },
    ]),
    ...received.map((name) => [
      `${topic}.${name}`,
      {
        action: 'receive',
        channel,
        messages: inChannel(name),
        ...(name !== 'handshake' && replyTo(name)),
      },
    ]),
  ])
}

const reference = (...path: string[]) => ({ $ref: `#/${path.join('/')}` })

const message = (summary: string, payload: Schema, name?: string) => ({
  ...(name && { name }),
  summary,
  payload,
})

/** An ack: of the request that was done, or of one that was refused. */
const ackOf = (name: string, ack: z.ZodType, components: SchemaComponents): Schema =>
  refusable(name, components.add(ack, 'output'), components)

const refusable = (name: string, done: Schema, components: SchemaComponents): Schema =>
  components.name(`${name}Ack`, {
    anyOf: [components.name(`${name}Done`, done), components.add(Refused, 'output')],
  })

function rangeAckOf(topic: Topic, answer: Schema, components: SchemaComponents): Schema {
  const done = components.add(requestAckOf(z.object({})), 'output') as { properties: Schema }
  const properties = { ...done.properties, data: { ...answer, description: 'The changes' } }
  return refusable(`${capitalized(topic)}Range`, { ...done, properties }, components)
}

/**
 * The changes of a topic: one whole schema for each op, so that generators make a union of them. A
 * stripped change has no `data`.
 */
function changeOf(topic: Topic, components: SchemaComponents): Schema {
  // Assertion: `describe` has added it.
  const { properties, required } = components.schemas.Change as {
    properties: Record<string, Schema>
    required: string[]
  }
  const ops: Record<string, z.ZodType> = { ...topicTable[topic].changes, closed: z.object({}) }
  const schemas = Object.entries(ops).map(([op, data]) => {
    const name = `${capitalized(topic)}${capitalized(op)}`
    const schema = components.add(data, 'output')
    const ownData = '$ref' in schema ? schema : components.name(`${name}Data`, schema)
    return components.name(`${name}Change`, {
      type: 'object',
      required,
      properties: {
        ...properties,
        topic: { const: topic, description: properties.topic!.description },
        op: { const: op, description: properties.op!.description },
        data: { ...ownData, description: properties.data!.description },
      },
    })
  })
  return components.name(`${capitalized(topic)}Change`, {
    description: 'The ops that this version knows. A device loads the entity after any other',
    discriminator: 'op',
    oneOf: schemas,
  })
}

/** `session_created` -> `SessionCreated` */
const capitalized = (name: string): string =>
  name.replace(/(^|_)([a-z])/g, (_, _before, letter: string) => letter.toUpperCase())
