// /asyncapi.json, made from the tables of topics and commands: what is described is what the sockets take and send.
import type * as z from 'zod'
import { accountChanges } from '@lockstep/protocol/account'
import { agentChanges } from '@lockstep/protocol/agents'
import { WireChange } from '@lockstep/protocol/change'
import { conversationChanges } from '@lockstep/protocol/conversations'
import { preferencesChanges } from '@lockstep/protocol/preferences'
import { Uuid } from '@lockstep/protocol/scalars'
import {
  Ack,
  commands,
  Delta,
  Draining,
  Handshake,
  Head,
  Presence,
  RangeRequest,
  Sync,
  unloggedCommands,
} from '@lockstep/protocol/sync'
import { topics, type Topic } from '@lockstep/protocol/topics'
import { PROTOCOL } from '@lockstep/protocol/version'
import { SchemaComponents, type Schema } from './schema-components.ts'

let made: object | undefined

/** The sockets in AsyncAPI 3.0, from the server's side: it `send`s events and `receive`s commands. Made once. */
export const asyncApiDocument = (): object => (made ??= describe())

const changes: Record<Topic, Record<string, z.ZodType>> = {
  conversations: conversationChanges,
  preferences: preferencesChanges,
  agents: agentChanges,
  account: accountChanges,
}

interface Event {
  summary: string
  schema: z.ZodType
  /** Those that have it; all when absent. */
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
    const received = ['handshake', 'range', ...Object.keys(commands[topic])]
    messages[`${topic}.change`] = message(
      'A change, live and in order',
      changeOf(topic, components),
      'change',
    )
    for (const [name, schema] of Object.entries(commands[topic]))
      messages[`${topic}.${name}`] = message(
        'A command',
        components.add(withMutation(topic, name, schema), 'input'),
        name,
      )
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
        'One namespace a topic, authenticated by the session cookie. The REST side is at /openapi.json.',
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

const withMutation = (topic: Topic, name: string, schema: z.ZodObject): z.ZodObject =>
  unloggedCommands.has(`${topic}:${name}`) ? schema : schema.extend({ mutation_id: Uuid })

/** The envelope, with what it carries for each `op`; without `data` when it is stripped. */
function changeOf(topic: Topic, components: SchemaComponents): Schema {
  const ops = Object.entries(changes[topic]).map(([op, schema]) => ({
    title: op,
    properties: { op: { const: op }, data: components.add(schema, 'output') },
  }))
  const envelope = components.add(WireChange, 'output')
  return { ...envelope, oneOf: ops }
}
