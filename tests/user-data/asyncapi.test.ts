import specs from '@asyncapi/specs'
import { Ajv } from 'ajv'
import { describe, expect, test } from 'vitest'
import { topicTable } from '@lockstep/protocol/topic-table'
import { wireCommands } from '@lockstep/protocol/commands'
import { topics } from '@lockstep/protocol/topics'
import { request } from '../harness/person.ts'
import { undescribed } from '../rest/described.ts'
import { serveHttp } from '../rest/http-fixture.ts'

interface Reference {
  $ref: string
}
interface Operation {
  action: 'send' | 'receive'
  channel: Reference
  messages: Reference[]
  reply?: { messages: Reference[] }
}
interface Document {
  asyncapi: string
  info: { title: string; version: string }
  channels: Record<string, { address: string; messages: Record<string, Reference> }>
  operations: Record<string, Operation>
  servers: Record<string, object>
  components: {
    messages: Record<string, { payload: Reference }>
    schemas: Record<string, object>
    securitySchemes: Record<string, object>
  }
}
interface Change {
  title?: string
  required: string[]
  properties: { op: { const: string }; topic: object; data: Reference }
}

async function fetched(): Promise<Document> {
  await using http = await serveHttp({})
  return (await request<Document>(`${http.url}/asyncapi.json`, 'GET')).body
}
const at = (document: unknown, { $ref }: Reference): unknown =>
  $ref
    .slice(2)
    .split('/')
    .reduce((found, key) => (found as Record<string, unknown> | undefined)?.[key], document)

const payloadOf = (document: Document, message: string) =>
  at(document, document.components.messages[message]!.payload) as Record<string, unknown>

describe('/asyncapi.json', () => {
  test('is valid by the schema of AsyncAPI 3.0', async () => {
    const ajv = new Ajv({
      strict: false,
      validateFormats: false,
      meta: false,
      validateSchema: false,
    })
    const validate = ajv.compile(specs.schemas['3.0.0'] as object)
    const document = await fetched()
    validate(document)
    expect(validate.errors).toBeNull()
    expect(validate({ ...document, operations: { x: { action: 'shout' } } })).toBe(false)
  })

  test('has a channel for each topic and an operation for each command', async () => {
    const document = await fetched()
    expect(document).toMatchObject({
      asyncapi: '3.0.0',
      info: { title: expect.any(String), version: '1' },
    })
    expect(Object.values(document.channels).map(({ address }) => address)).toEqual(
      topics.map((topic) => `/${topic}`),
    )
    for (const topic of topics)
      for (const name of [...wireCommands[topic].keys(), 'range']) {
        const operation = document.operations[`${topic}.${name}`]!
        expect(operation, `${topic} ${name}`).toMatchObject({
          action: 'receive',
          channel: { $ref: `#/channels/${topic}` },
        })
        const $ref = `#/channels/${topic}/messages/${name}.ack`
        expect(operation.reply!.messages).toEqual([{ $ref }])
      }
  })

  test('gives the fields of each command, with a mutation_id if the command is logged', async () => {
    const document = await fetched()
    const append = payloadOf(document, 'conversations.append')
    expect(append).toMatchObject({ type: 'object', additionalProperties: false })
    expect(append.required).toEqual(['conversation_id', 'mutation_id'])
    expect(payloadOf(document, 'account.viewing').required).toEqual(['conversation_id'])
  })

  test('gives each command’s ack a type of its own: what it has as data and beside it', async () => {
    const document = await fetched()
    const done = (command: string) => {
      const [one, refused] = payloadOf(document, `${command}.ack`).anyOf as Reference[]
      expect(refused).toEqual({ $ref: '#/components/schemas/Refused' })
      return at(document, one!) as { properties: Record<string, object>; required: string[] }
    }
    const update = done('conversations.update')
    expect(update.properties.data).toMatchObject({
      anyOf: [{ $ref: '#/components/schemas/Summary' }, { type: 'null' }],
    })
    expect(update.required).toEqual(['ok', 'data', 'seq', 'version'])
    const beside = (command: string) =>
      Object.keys(done(command).properties).filter((name) => !update.required.includes(name))
    expect(beside('conversations.update')).toEqual([])
    expect(beside('conversations.reply')).toEqual(['message_id', 'run_id'])
    expect(beside('conversations.produce')).toEqual([
      ...['message_id', 'run_id', 'status', 'length', 'stopped_by'],
    ])
    for (const name of ['conversations.purge', 'agents.delete', 'records.delete'])
      expect(done(name).properties.data, name).toMatchObject({ type: 'null' })
    expect(done('account.viewing')).toMatchObject({
      properties: { data: { type: 'null' } },
      required: ['ok', 'data'],
    })
    const revoked = done('account.revoke').properties.data as Reference
    expect(at(document, revoked)).toMatchObject({ required: ['session_id'] })
  })

  test('gives every message a named schema, and each op of a topic a whole one', async () => {
    const document = await fetched()
    for (const [name, { payload }] of Object.entries(document.components.messages))
      expect(payload, name).toEqual({ $ref: expect.stringMatching(/^#\/components\/schemas\//) })
    for (const topic of topics) {
      const { discriminator, oneOf } = payloadOf(document, `${topic}.change`)
      expect(discriminator).toBe('op')
      const ops = (oneOf as Reference[]).map((one) => at(document, one) as Change)
      expect(ops.map(({ properties }) => properties.op.const)).toEqual([
        ...new Set([...Object.keys(topicTable[topic].changes), 'closed']),
      ])
      for (const { required, properties, title } of ops) {
        // generators name a type by its title: two topics' ops of one name would be one type
        expect(title).toBeUndefined()
        expect(required).toEqual(expect.arrayContaining(['topic', 'epoch', 'seq', 'op']))
        expect(properties.topic).toMatchObject({ const: topic })
        expect(at(document, properties.data)).toBeTypeOf('object')
      }
    }
  })

  test('gives catch-ups the changes of their topic, and no topic the changes of all', async () => {
    const document = await fetched()
    for (const topic of topics) {
      const change = document.components.messages[`${topic}.change`]!.payload
      const [done] = payloadOf(document, `${topic}.range.ack`).anyOf as Reference[]
      const { properties } = at(document, done!) as { properties: { data: Reference } }
      const [sync, range] = [payloadOf(document, `${topic}.sync`), at(document, properties.data)]
      for (const schema of [sync, range])
        expect(schema).toMatchObject({ properties: { changes: { items: change } } })
    }
    for (const name of ['Change', 'Sync', 'RangeAnswer'])
      expect(document.components.schemas).not.toHaveProperty(name)
  })

  test('names every object in another, so that generators need not number their types', async () => {
    const nameless: string[] = []
    const look = (schema: unknown, path: string) => {
      if (typeof schema !== 'object' || schema === null) return
      if (path.includes('/') && 'properties' in schema && 'type' in schema) nameless.push(path)
      for (const [key, inner] of Object.entries(schema)) look(inner, `${path}/${key}`)
    }
    const { schemas } = (await fetched()).components
    for (const [name, schema] of Object.entries(schemas)) look(schema, name)
    expect(nameless).toEqual([])
  })

  test('says where a server is and how it authenticates', async () => {
    const { servers, components } = await fetched()
    expect(servers.node).toMatchObject({
      protocol: 'wss',
      pathname: '/socket.io',
      security: [
        { $ref: '#/components/securitySchemes/session' },
        { $ref: '#/components/securitySchemes/token' },
      ],
    })
    expect(components.securitySchemes.session).toMatchObject({ type: 'httpApiKey', in: 'cookie' })
  })

  test('describes every field', async () => {
    expect(undescribed(await fetched())).toEqual([])
  })

  test('resolves all references, and operations refer only to messages of their channel', async () => {
    const document = await fetched()
    const references = [...JSON.stringify(document).matchAll(/"\$ref":"([^"]+)"/g)].map(
      ([, $ref]) => $ref!,
    )
    expect(references.length).toBeGreaterThan(100)
    for (const $ref of new Set(references))
      expect(at(document, { $ref }), $ref).toBeTypeOf('object')
    for (const { channel, messages, reply } of Object.values(document.operations))
      for (const { $ref } of [...messages, ...(reply?.messages ?? [])])
        expect($ref.startsWith(`${channel.$ref}/messages/`)).toBe(true)
  })
})
