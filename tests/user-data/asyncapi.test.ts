import specs from '@asyncapi/specs'
import { Ajv } from 'ajv'
import { describe, expect, test } from 'vitest'
import { wireCommands } from '@lockstep/protocol/commands'
import { topics } from '@lockstep/protocol/topics'
import { request } from '../harness/person.ts'
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
  components: {
    messages: Record<string, { payload: Record<string, unknown> }>
    schemas: Record<string, object>
  }
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
        expect(operation.reply!.messages).toEqual([{ $ref: `#/channels/${topic}/messages/ack` }])
      }
  })

  test('gives the fields of each command, with a mutation_id if the command is logged', async () => {
    const { components } = await fetched()
    const append = components.messages['conversations.append']!.payload
    expect(append).toMatchObject({ type: 'object', additionalProperties: false })
    expect(append.required).toEqual(['conversation_id', 'message', 'mutation_id'])
    expect(components.messages['account.viewing']!.payload.required).toEqual(['conversation_id'])
  })

  test('gives the data of each op of a topic', async () => {
    const { components } = await fetched()
    const ops = (
      components.messages['preferences.change']!.payload.oneOf as { title: string }[]
    ).map(({ title }) => title)
    expect(ops).toEqual(['updated'])
    const ofConversations = components.messages['conversations.change']!.payload.oneOf as {
      title: string
    }[]
    expect(ofConversations.map(({ title }) => title)).toEqual([
      'created',
      'updated',
      'extended',
      'finished',
      'deleted',
      'restored',
      'purged',
    ])
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
