// /asyncapi.json, made from the tables of changes and commands. So it describes what the sockets
// take and send.
import type * as z from 'zod'
import { changeSchemas, WireChange } from '@lockstep/protocol/change'
import { wireCommands } from '@lockstep/protocol/commands'
import { DraftNotice } from '@lockstep/protocol/drafts'
import {
  Ack,
  Delta,
  Draining,
  Handshake,
  Head,
  Presence,
  RangeRequest,
  Sync,
} from '@lockstep/protocol/sync'
import { topics, type Topic } from '@lockstep/protocol/topics'
import { PROTOCOL } from '@lockstep/protocol/version'
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
  sync: { summary: 'First, and whenever a device is caught up', schema: Sync },
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
  draining: { summary: 'This node is about to stop: connect again', schema: Draining },
}

function describe(): object {
  const components = new SchemaComponents()
  const messages: Schema = {
    handshake: message('`auth` of the handshake', components.add(Handshake, 'input')),
    ack: message('The answer to a command', components.add(Ack, 'output')),
    range: message('Asks for changes, both ends included', components.add(RangeRequest, 'input')),
  }
  for (const [name, { summary, schema }] of Object.entries(events))
    messages[name] = message(summary, components.add(schema, 'output'), name)
  const channels: Schema = {}
  const operations: Schema = {}
  for (const topic of topics) {
    const sent = [
      'change',
      ...Object.keys(events).filter((name) => events[name]!.topics?.includes(topic) ?? true),
    ]
    const received = ['handshake', 'range', ...wireCommands[topic].keys()]
    messages[`${topic}.change`] = message(
      'A change, live and in order',
      changeOf(topic, components),
      'change',
    )
    for (const [name, { schema }] of wireCommands[topic])
      messages[`${topic}.${name}`] = message('A command', components.add(schema, 'input'), name)
    const own = (name: string) => (messages[`${topic}.${name}`] ? `${topic}.${name}` : name)
    const referred = [...sent, ...received, 'ack'].map((name) => [
      name,
      reference('components', 'messages', own(name)),
    ])
    channels[topic] = {
      address: `/${topic}`,
      description: `Socket.IO namespace, path /socket.io, transport websocket, protocol ${PROTOCOL}`,
      messages: Object.fromEntries(referred),
    }
    Object.assign(operations, operationsOf(topic, sent, received))
  }
  return {
    asyncapi: '3.0.0',
    info: {
      title: 'Lockstep, live',
      version: '1',
      description:
        'One namespace per topic, authenticated by the session cookie. The REST side is at /openapi.json.',
    },
    defaultContentType: 'application/json',
    channels,
    operations,
    components: { messages, schemas: components.schemas },
  }
}

function operationsOf(topic: Topic, sent: readonly string[], received: readonly string[]): Schema {
  const channel = reference('channels', topic)
  const inChannel = (name: string) => [reference('channels', topic, 'messages', name)]
  const reply = { channel, messages: inChannel('ack') }
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
        ...(name !== 'handshake' && { reply }),
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

/** The envelope of a change, with the data of each `op`. A stripped change has no `data`. */
function changeOf(topic: Topic, components: SchemaComponents): Schema {
  const ops = Object.entries<z.ZodType>(changeSchemas[topic]).map(([op, schema]) => ({
    title: op,
    properties: { op: { const: op }, data: components.add(schema, 'output') },
  }))
  const envelope = components.add(WireChange, 'output')
  return { ...envelope, oneOf: ops }
}
