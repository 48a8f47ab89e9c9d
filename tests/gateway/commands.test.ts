// What devices request: commands, ranges, and events that are neither.
import { expect, test } from 'vitest'
import { Fault } from '@lockstep/protocol/errors'
import { newId } from '@lockstep/protocol/ids'
import type { Execute } from '../../realtime/commands/commands.ts'
import { eventually } from '../harness/eventually.ts'
import { startScriptedNode } from './scripted-node.ts'

/** An `execute` that records its calls. */
function recordCommands(
  answer: Execute = () =>
    Promise.resolve({ data: { done: true }, seq: 7, version: 3, changed: true }),
) {
  const calls: Parameters<Execute>[] = []
  const execute: Execute = (...args) => {
    calls.push(args)
    return answer(...args)
  }
  return { calls, execute }
}

test('a command is parsed, executed for its session, and acked with its outcome', async () => {
  const { calls, execute } = recordCommands()
  await using node = await startScriptedNode({ execute })
  const { cookie, user_id, session_id } = node.sessions.signIn()
  const client = await node.join('conversations', cookie)
  const [mutation_id, conversation_id] = [newId(), newId()]
  const ack = await client.request('delete', {
    mutation_id: mutation_id.toUpperCase(),
    conversation_id,
  })
  expect(ack).toEqual({ ok: true, data: { done: true }, seq: 7, version: 3 })
  expect(calls).toEqual([
    [
      'conversations',
      'delete',
      {
        address: '127.0.0.1',
        user_id,
        session_id,
        device: 'Test on Linux',
        mutation_id,
      },
      { conversation_id },
    ],
  ])
})

test.for([
  ['without a mutation_id', 'delete', { conversation_id: newId() }],
  ['with an unknown field', 'delete', { conversation_id: newId(), mutation_id: newId(), extra: 1 }],
  ['with a payload that is not an object', 'delete', 'everything'],
  ['with the payload null', 'delete', null],
  ['of another topic', 'revoke', { session_id: newId(), mutation_id: newId() }],
  ['that does not exist', 'nonsense', {}],
  ['with the name of a property that every object has', 'constructor', {}],
] as const)('a command %s is invalid and executes nothing', async ([, name, payload]) => {
  const { calls, execute } = recordCommands()
  await using node = await startScriptedNode({ execute })
  const client = await node.join('conversations', node.sessions.signIn().cookie)
  expect(await client.request(name, payload)).toMatchObject({
    ok: false,
    error: { code: 'invalid', status: 422 },
  })
  expect(calls).toEqual([])
})

test('a command without an ack or with too many arguments executes nothing and breaks nothing', async () => {
  const { calls, execute } = recordCommands()
  await using node = await startScriptedNode({ execute })
  const client = await node.join('conversations', node.sessions.signIn().cookie)
  const payload = { conversation_id: newId(), mutation_id: newId() }
  client.socket.emit('delete', payload)
  client.socket.emit('delete')
  client.socket.emit('delete', payload, 'not a function')
  expect(await client.request('delete', payload, payload)).toMatchObject({
    error: { code: 'invalid' },
  })
  expect(calls).toEqual([])
  expect(await client.request('delete', payload)).toMatchObject({ ok: true })
})

test('a fault reaches the ack as a problem; any other error reaches it as internal, without details', async () => {
  const thrown: unknown[] = [
    new Fault('version_conflict', { current: { id: 'x' } }),
    new Error('password=secret'),
  ]
  const { execute } = recordCommands(() => Promise.reject(thrown.shift()))
  await using node = await startScriptedNode({ execute })
  const client = await node.join('conversations', node.sessions.signIn().cookie)
  const ask = () => client.request('delete', { conversation_id: newId(), mutation_id: newId() })
  expect(await ask()).toMatchObject({
    ok: false,
    error: { code: 'version_conflict', status: 409, current: { id: 'x' } },
  })
  const broken = await ask()
  expect(broken).toMatchObject({ ok: false, error: { code: 'internal', status: 500 } })
  expect(JSON.stringify(broken)).not.toContain('secret')
})

test('range includes both ends and refuses more than 500 changes', async () => {
  await using node = await startScriptedNode()
  const { cookie, user_id } = node.sessions.signIn()
  const changes = Array.from({ length: 6 }, () => node.log.append(user_id))
  const client = await node.join('conversations', cookie)
  expect(await client.request('range', { from: 2, to: 4 })).toEqual({
    ok: true,
    data: { changes: changes.slice(1, 4), more: false, reset: false },
  })
  expect(await client.request('range', { from: 9, to: 10 })).toMatchObject({
    data: { reset: true },
  })
  for (const range of [
    { from: 1, to: 501 },
    { from: 3, to: 2 },
    { from: 0, to: 2 },
    { from: 1.5, to: 2 },
  ])
    expect(await client.request('range', range)).toMatchObject({
      ok: false,
      error: { code: 'invalid' },
    })
})

test('a socket that sends commands too fast is told to wait and is served again later', async () => {
  const { calls, execute } = recordCommands()
  await using node = await startScriptedNode({
    execute,
    settings: { events: { rate: 20, burst: 3 } },
  })
  const client = await node.join('conversations', node.sessions.signIn().cookie)
  const ask = () => client.request('delete', { conversation_id: newId(), mutation_id: newId() })
  const answers = await Promise.all(Array.from({ length: 6 }, ask))
  const refused = answers.filter(({ ok }) => !ok)
  expect(refused.length).toBeGreaterThanOrEqual(2)
  expect(refused[0]).toMatchObject({
    error: { code: 'rate_limited', retry_after_ms: expect.any(Number) as number },
  })
  expect(calls.length).toBe(answers.length - refused.length)
  await eventually(async () => (await ask()).ok)
})

test('commands of one socket start in the order they were sent', async () => {
  const { calls, execute } = recordCommands()
  await using node = await startScriptedNode({ execute })
  const { cookie } = node.sessions.signIn()
  const client = node.connect('conversations', cookie)
  const ids = Array.from({ length: 20 }, () => newId())
  const asked = ids.map((mutation_id) =>
    client.request('delete', { conversation_id: newId(), mutation_id }),
  )
  await Promise.all(asked)
  expect(calls.map(([, , { mutation_id }]) => mutation_id)).toEqual(ids)
})
