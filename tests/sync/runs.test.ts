// The history of runs as pages use it: filtered lists that are read in pages and have no holes.
import { expect, test } from 'vitest'
import type { Run } from '@lockstep/protocol/agents'
import { newId } from '@lockstep/protocol/ids'
import { SimulatedUser } from './simulated-user.ts'

/** One run per minute, newest first; every tenth failed. */
function manyRuns(count: number): Run[] {
  return Array.from({ length: count }, (_, index) => {
    const started_at = new Date(Date.UTC(2026, 0, 1, 0, count - index)).toISOString()
    return {
      ...{
        id: newId(),
        user_id: newId(),
        agent: index % 2 === 0 ? 'demo' : 'editor',
        input: `task ${index}`,
        output: '',
      },
      ...{
        status: index % 10 === 9 ? ('failed' as const) : ('complete' as const),
        conversation_id: null,
      },
      ...{ message_id: null, started_at, ended_at: started_at, metadata: {}, version: 3 },
    }
  })
}

async function withRuns(user: SimulatedUser, count: number) {
  const runs = manyRuns(count)
  user.server.runs.push(...runs)
  const { engine, wire } = await user.device()
  await user.quiet()
  return { agents: engine.agents, runs, wire }
}

test('a filter finds runs that no page has brought yet', async () => {
  await using user = new SimulatedUser()
  const { agents, runs } = await withRuns(user, 120)
  const failed = { status: 'failed' } as const
  expect(agents.list(failed)).toMatchObject({ loaded: false, more: true })
  expect(agents.list(failed).items).toHaveLength(5)
  void agents.loadMore(failed)
  await user.quiet()
  expect(agents.list(failed).items.map(({ id }) => id)).toEqual(
    runs.filter(({ status }) => status === 'failed').map(({ id }) => id),
  )
  expect(agents.list(failed)).toMatchObject({ loaded: true, more: false, loading: false })
  expect(agents.list({ status: 'failed', agent: 'demo' }).items).toEqual([])
})

test('runs from further down that a filter or a link loads leave no hole in the list of all runs', async () => {
  await using user = new SimulatedUser()
  const { agents, runs } = await withRuns(user, 120)
  void agents.loadMore({ status: 'failed' })
  await user.quiet()
  const first = () => agents.runs.items.map(({ id }) => id)
  expect(first()).toEqual(runs.slice(0, 50).map(({ id }) => id))
  void agents.loadMore()
  await user.quiet()
  expect(first()).toEqual(runs.slice(0, 100).map(({ id }) => id))
  void agents.loadMore()
  await user.quiet()
  expect(first()).toEqual(runs.map(({ id }) => id))
  expect(agents.runs.more).toBe(false)
})

test('a run that ends moves from one filter to the other', async () => {
  await using user = new SimulatedUser()
  const { agents, runs } = await withRuns(user, 1)
  const [run] = runs
  const [running, stopped] = [{ status: 'complete' } as const, { status: 'stopped' } as const]
  for (const filter of [running, stopped]) void agents.loadMore(filter)
  await user.quiet()
  expect([agents.list(running).items.length, agents.list(stopped).items.length]).toEqual([1, 0])
  const data = { status: 'stopped', length: 0, ended_at: run!.started_at, metadata: {} }
  user.server.append('agents', { op: 'finished', entity_id: run!.id, version: 4, data })
  await user.quiet()
  expect([agents.list(running).items.length, agents.list(stopped).items.length]).toEqual([0, 1])
})

test('after everything is loaded again, the lists that were shown are complete again', async () => {
  await using user = new SimulatedUser()
  const { agents, wire } = await withRuns(user, 120)
  const failed = { status: 'failed' } as const
  void agents.loadMore(failed)
  await user.quiet()
  user.server.newEpoch()
  wire.cut()
  await user.quiet()
  expect(agents.list(failed)).toMatchObject({ loaded: true, more: false })
  expect(agents.list(failed).items).toHaveLength(12)
  expect(agents.runs.items).toHaveLength(50)
})
