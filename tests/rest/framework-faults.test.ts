// Whose connection broke: a client that leaves while it sends is at fault itself; a database whose
// connection breaks isn't the client's mistake, although the error has the same code.
import { connect, type AddressInfo } from 'node:net'
import fastify, { type FastifyError } from 'fastify'
import { expect, test } from 'vitest'
import { frameworkFault } from '../../realtime/http/problems.ts'

const reset = () =>
  Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET', syscall: 'read', errno: -104 })

test('a connection to the database that breaks is no fault of the request, one to the client is', async () => {
  await using app = fastify()
  const faults: (string | undefined)[] = []
  const { promise: clientHasGone, resolve } = Promise.withResolvers<void>()
  app.setErrorHandler((error: FastifyError, request, reply) => {
    faults.push(frameworkFault(error, request)?.code)
    if (request.url === '/body') resolve()
    return reply.send({})
  })
  app.get('/database', () => Promise.reject(reset()))
  app.addContentTypeParser('text/plain', (_, body, done) => void body.on('error', done).resume())
  app.post('/body', () => ({}))
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as AddressInfo
  await fetch(`http://127.0.0.1:${port}/database`)
  expect(faults).toEqual([undefined])

  const client = connect(port, '127.0.0.1')
  const head = 'POST /body HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\n'
  client.write(`${head}Content-Length: 99\r\n\r\n{`, () =>
    setImmediate(() => client.resetAndDestroy()),
  )
  await clientHasGone
  expect(faults).toEqual([undefined, 'invalid'])
})
