// Runs of agents: over HTTP and sockets, with and without a conversation.
import { expect, test } from 'vitest'
import type { Run } from '@lockstep/protocol/agents'
import { newId } from '@lockstep/protocol/ids'
import { eventually } from '../harness/eventually.ts'
import { Follower, storedState } from '../harness/follower.ts'
import { signUp, type Person } from '../harness/person.ts'
import { sharedNodes } from '../harness/shared-node.ts'

const shared = sharedNodes(1, {
  options: { agents: { demo: { tokensPerSecond: 300 }, timings: { durableMs: 150 } } },
})

const ended = (person: Person, id: string): Promise<Run> =>
  eventually(async () => {
    const run = await person.ask('getRun', { params: { id } })
    return run.ended_at !== null && run
  })

test.concurrent('a run is queued, runs, grows and completes live on every device', async () => {
  const person = await signUp(shared.node)
  await using device = await person.device('agents')
  await using phone = await Follower.start(await person.signIn(), 'agents')
  const input = '/demo code fast think 0.1'
  const run = await person.ask('createRun', { body: { agent: 'demo', input } })
  expect(run).toMatchObject({
    agent: 'demo',
    input,
    output: '',
    status: 'queued',
    conversation_id: null,
    version: 1,
  })
  const complete = await ended(person, run.id)
  expect(complete).toMatchObject({
    status: 'complete',
    metadata: { model: 'demo', thinking_ms: expect.any(Number) },
  })
  expect(complete.output).toContain('```ts')
  expect(device.changes.map(({ op }) => op).slice(0, 2)).toEqual(['created', 'extended'])
  expect(device.changes.at(-1)).toMatchObject({
    op: 'finished',
    data: { length: complete.output.length },
  })
  expect(await device.until('delta', () => true)).toMatchObject({
    entity_id: run.id,
    run_id: run.id,
    offset: 0,
  })
  await phone.caughtUp()
  expect(phone.state).toEqual(await storedState(person, 'agents'))
})

test.concurrent('the same id is the same run: 202, then 200', async () => {
  const person = await signUp(shared.node)
  const body = { id: newId(), agent: 'demo', input: '/demo code fast silent' }
  expect(await person.rest('POST', '/agent-runs', body)).toMatchObject({
    status: 202,
    body: { id: body.id },
  })
  expect(await person.rest('POST', '/agent-runs', body)).toMatchObject({
    status: 200,
    body: { id: body.id },
  })
  await ended(person, body.id)
  expect((await person.ask('listRuns', {})).items).toHaveLength(1)
  await person.ask('deleteRun', { params: { id: body.id } })
  expect(await person.rest('POST', '/agent-runs', body)).toMatchObject({
    status: 409,
    body: { code: 'id_taken' },
  })
})

test.concurrent('a run can be stopped from any device and keeps its output', async () => {
  const person = await signUp(shared.node)
  await using device = await person.device('agents')
  const { data: run } = await device.done<Run>('run', {
    agent: 'demo',
    input: '/demo long silent rate 100',
  })
  await device.until('delta', ({ offset }) => offset > 100)
  const stopped = await person.ask('stopRun', { params: { id: run.id } })
  expect(stopped).toMatchObject({ id: run.id, status: 'stopped' })
  expect(stopped.output.length).toBeGreaterThan(100)
  expect(await person.ask('stopRun', { params: { id: run.id } })).toEqual(stopped)
  expect(await ended(person, run.id)).toEqual(stopped)
})

test.concurrent('runs are listed by agent and by status', async () => {
  const person = await signUp(shared.node)
  const { id } = await person.ask('createRun', {
    body: { agent: 'demo', input: '/demo code fast silent' },
  })
  await ended(person, id)
  const failing = await person.ask('createRun', {
    body: { agent: 'demo', input: '/demo silent fail now' },
  })
  await ended(person, failing.id)
  const listed = async (query: object) =>
    (await person.ask('listRuns', { query })).items.map((run) => run.id)
  expect(await listed({ status: 'failed' })).toEqual([failing.id])
  expect(await listed({ status: 'complete', agent: 'demo' })).toEqual([id])
  expect(await listed({ status: 'stopped' })).toEqual([])
  expect(await listed({ agent: 'demo' })).toEqual([failing.id, id])
  expect(await person.rest('GET', '/agent-runs?status=lost')).toMatchObject({
    status: 422,
    body: { code: 'invalid' },
  })
})

test.concurrent(
  'a removed run is gone, also while it runs, and its words are gone from the log',
  async () => {
    const person = await signUp(shared.node)
    await using device = await person.device('agents')
    const run = await person.ask('createRun', {
      body: { agent: 'demo', input: '/demo long silent rate 100 TOPSECRET' },
    })
    await device.until('change', ({ op }) => op === 'extended')
    expect((await person.rest('DELETE', `/agent-runs/${run.id}`)).status).toBe(204)
    expect((await person.rest('DELETE', `/agent-runs/${run.id}`)).status).toBe(204)
    expect((await person.rest('GET', `/agent-runs/${run.id}`)).status).toBe(404)
    expect((await person.rest('POST', `/agent-runs/${run.id}/stop`)).status).toBe(404)
    expect((await person.ask('listRuns', {})).items).toEqual([])
    await using late = await person.device('agents', {
      since: { epoch: device.changes[0]!.epoch, seq: 0 },
    })
    const sync = await late.next('sync')
    expect(JSON.stringify(sync)).not.toContain('TOPSECRET')
    expect(sync.changes.at(-1)).toMatchObject({ op: 'deleted', entity_id: run.id })
  },
)

test.concurrent(
  'the history is paged, newest first, and filtered by agent and conversation',
  async () => {
    const person = await signUp(shared.node)
    await person.ask('putPreferences', { body: { agent_settings: { poet: { name: 'Poet' } } } })
    const { id: conversation_id } = await person.ask('createConversation', { body: {} })
    const ids: string[] = []
    for (const [agent, where] of [
      ['demo'],
      ['poet'],
      ['demo', conversation_id],
      ['demo'],
    ] as const) {
      const body = { agent, input: '/demo fast code silent', conversation_id: where }
      ids.unshift((await person.ask('createRun', { body })).id)
      await ended(person, ids[0]!)
    }
    const list = async (query: object) =>
      (await person.ask('listRuns', { query })).items.map(({ id }) => id)
    const first = await person.ask('listRuns', { query: { limit: '3' } })
    expect(first.items.map(({ id }) => id)).toEqual(ids.slice(0, 3))
    expect(await list({ limit: '3', cursor: first.next_cursor })).toEqual(ids.slice(3))
    expect(await list({ agent: 'poet' })).toEqual([ids[2]])
    expect(await list({ conversation_id })).toEqual([ids[1]])
    expect((await person.rest('GET', '/agent-runs?cursor=nonsense')).status).toBe(422)
  },
)

test.concurrent('a run with a conversation adds its question and its answer there', async () => {
  const person = await signUp(shared.node)
  await using device = await person.device('conversations')
  const { id: conversation_id } = await person.ask('createConversation', { body: {} })
  const body = { agent: 'demo', input: '/demo code silent rate 100', conversation_id }
  const run = await person.ask('createRun', { body })
  expect(run).toMatchObject({ conversation_id, message_id: expect.any(String) })
  const complete = await ended(person, run.id)
  await device.until('change', ({ op }) => op === 'finished')
  const { messages } = await person.ask('getConversation', { params: { id: conversation_id } })
  expect(messages).toMatchObject([
    { role: 'user', content: body.input, metadata: { run_id: run.id } },
    {
      id: run.message_id,
      role: 'assistant',
      content: complete.output,
      status: 'complete',
      metadata: { run_id: run.id },
    },
  ])
})

test.concurrent(
  'stopping the message stops its run, and stopping the run its message',
  async () => {
    const person = await signUp(shared.node)
    await using device = await person.device('conversations')
    for (const stop of ['message', 'run'] as const) {
      const { id: conversation_id } = await person.ask('createConversation', { body: {} })
      const body = { agent: 'demo', input: '/demo long silent rate 100', conversation_id }
      const run = await person.ask('createRun', { body })
      await device.until(
        'delta',
        ({ entity_id, offset }) => entity_id === conversation_id && offset > 50,
      )
      if (stop === 'run') await person.ask('stopRun', { params: { id: run.id } })
      else await device.done('stop', { conversation_id, message_id: run.message_id })
      const { output, status } = await ended(person, run.id)
      expect(status).toBe('stopped')
      await device.until(
        'change',
        ({ op, entity_id }) => op === 'finished' && entity_id === conversation_id,
      )
      const { messages } = await person.ask('getConversation', { params: { id: conversation_id } })
      expect(messages.at(-1)).toMatchObject({ status: 'stopped', content: output })
    }
  },
)

test.concurrent(
  'a run for a conversation that isn’t there, or is busy, does not begin',
  async () => {
    const person = await signUp(shared.node)
    await using device = await person.device('conversations')
    const body = { agent: 'demo', input: '/demo hang silent' }
    expect(
      await person.rest('POST', '/agent-runs', { ...body, conversation_id: newId() }),
    ).toMatchObject({ status: 404 })
    const { id: conversation_id } = await person.ask('createConversation', {
      body: { messages: [{ role: 'user', content: '/demo hang' }] },
    })
    await device.done('reply', { conversation_id })
    const refused = await person.rest('POST', '/agent-runs', { ...body, conversation_id })
    expect(refused).toMatchObject({ status: 409, body: { code: 'already_replying' } })
    expect((await person.ask('listRuns', {})).items).toEqual([])
    expect(await person.rest('POST', '/agent-runs', { ...body, agent: 'nobody' })).toMatchObject({
      status: 422,
    })
  },
)

test.concurrent('no user sees another user’s runs', async () => {
  const [person, other] = [await signUp(shared.node), await signUp(shared.node)]
  await using device = await other.device('agents')
  const run = await person.ask('createRun', {
    body: { agent: 'demo', input: '/demo code fast silent' },
  })
  await ended(person, run.id)
  expect((await other.rest('GET', `/agent-runs/${run.id}`)).status).toBe(404)
  expect((await other.rest('POST', `/agent-runs/${run.id}/stop`)).status).toBe(404)
  expect((await other.rest('DELETE', `/agent-runs/${run.id}`)).status).toBe(404)
  const mine = await other.ask('createRun', {
    body: { id: run.id, agent: 'demo', input: '/demo code fast silent' },
  })
  expect(mine.user_id).toBe(other.user.id)
  await ended(other, run.id)
  for (const change of device.changes) expect(change.seq).toBeGreaterThan(0)
  expect(JSON.stringify(device.inbox.received)).not.toContain(person.user.id)
})
