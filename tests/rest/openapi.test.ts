import { Validator } from '@seriousme/openapi-schema-validator'
import { describe, expect, test } from 'vitest'
import { errors } from '@lockstep/protocol/error-codes'
import { routes, type Route } from '@lockstep/protocol/rest'
import { request } from '../harness/person.ts'
import { undescribed } from './described.ts'
import { serveHttp } from './http-fixture.ts'

interface Document {
  openapi: string
  paths: Record<string, Record<string, Operation>>
  components: { schemas: Record<string, { properties?: Record<string, { enum?: string[] }> }> }
}
interface Operation {
  operationId: string
  security?: unknown[]
  parameters: { name: string; in: string; required?: boolean; description?: string }[]
  requestBody?: object
  responses: Record<string, object>
}

async function fetched(): Promise<Document> {
  await using http = await serveHttp({})
  return (await request<Document>(`${http.url}/openapi.json`, 'GET')).body
}

describe('/openapi.json', () => {
  test('describes every route of the table, and no other', async () => {
    const { openapi, paths } = await fetched()
    expect(openapi).toMatch(/^3\.1\./)
    const described = Object.entries(paths).flatMap(([path, operations]) =>
      Object.entries(operations).map(
        ([method, { operationId }]) => `${operationId} ${method.toUpperCase()} ${path}`,
      ),
    )
    const served = Object.entries<Route>(routes).map(
      ([name, { method, path }]) => `${name} ${method} ${path}`,
    )
    const ofOperators = [
      'isAlive GET /healthz',
      'isReady GET /readyz',
      'getMetrics GET /metrics',
      'getOpenApi GET /openapi.json',
      'getAsyncApi GET /asyncapi.json',
    ]
    expect(described.sort()).toEqual([...served, ...ofOperators].sort())
  })

  test('is a valid document by the schema of OpenAPI 3.1', async () => {
    const validator = new Validator()
    const document = await fetched()
    const { errors } = await validator.validate({ ...structuredClone(document) })
    expect(errors).toBeUndefined()
    expect(validator.version).toBe('3.1')
    expect((await validator.validate({ ...document, info: {} })).valid).toBe(false)
  })

  test('describes the media types of the operator routes', async () => {
    await using http = await serveHttp({})
    const { paths } = await fetched()
    const own = new Set(Object.values<Route>(routes).map(({ path }) => path))
    for (const [path, { get }] of Object.entries(paths).filter(([path]) => !own.has(path))) {
      const { status, headers } = await request(http.url + path, 'GET')
      const { content } = get!.responses[status] as { content: object }
      expect([path, headers.get('content-type')!.split(';')]).toEqual([
        path,
        expect.arrayContaining(Object.keys(content)),
      ])
    }
  })

  test('describes the request, the response and the authentication of each route', async () => {
    const { paths } = await fetched()
    for (const route of Object.values<Route>(routes)) {
      const operation = paths[route.path]![route.method.toLowerCase()]!
      expect(Object.keys(operation.responses)).toEqual([String(route.status), 'default'])
      expect(operation.requestBody !== undefined).toBe(route.body !== undefined)
      expect(operation.security === undefined).toBe(route.open === true)
      const named = (place: string) =>
        operation.parameters.filter((p) => p.in === place).map(({ name }) => name)
      expect(named('path')).toEqual([...route.path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name))
      expect(named('query')).toEqual(Object.keys(route.query?.shape ?? {}))
    }
  })

  test('describes every field and every parameter', async () => {
    const document = await fetched()
    expect(undescribed(document)).toEqual([])
    for (const [path, operations] of Object.entries(document.paths))
      for (const { parameters = [] } of Object.values(operations))
        for (const { name, description } of parameters)
          expect(description, `${path} ${name}`).toEqual(expect.any(String))
  })

  test('has a schema for every reference', async () => {
    const document = await fetched()
    const references = [...JSON.stringify(document).matchAll(/"\$ref":"([^"]+)"/g)].map(
      ([, reference]) => reference!,
    )
    expect(references.length).toBeGreaterThan(50)
    for (const reference of new Set(references)) {
      const found = reference
        .slice(2)
        .split('/')
        .reduce<unknown>((at, key) => (at as Record<string, unknown> | undefined)?.[key], document)
      expect(found, reference).toBeTypeOf('object')
    }
  })

  test('names every code of a problem', async () => {
    const { components } = await fetched()
    expect(components.schemas.Problem!.properties!.code!.enum).toEqual(Object.keys(errors))
  })
})
