// The states, changes and commands of runs.
import type { Run } from '@lockstep/protocol/agents'
import { decideRun, decideRunDelete, type RunStart } from '@lockstep/protocol/decide/runs'
import { reduceRun, type HeldRun } from '@lockstep/protocol/reduce/run'
import { changeOf, context, EARLIER, id, type VectorSource } from './source.ts'

const RUN = id(40)
const run: Run = {
  id: RUN,
  user_id: context.user_id,
  agent: 'demo',
  input: 'Hello',
  output: 'Grüß 👋',
  status: 'running',
  conversation_id: null,
  message_id: null,
  started_at: EARLIER,
  ended_at: null,
  metadata: { model: 'demo' },
  version: 3,
}
const change =
  (op: string, data?: Record<string, unknown>, ahead = 1) =>
  (held: HeldRun) =>
    changeOf('agents', op, RUN, (held?.version ?? 3) + ahead, data)
const start = { id: RUN, agent: 'demo', input: 'Hi', model: 'demo', message_id: null }

export const runVectors: VectorSource<HeldRun> = {
  topic: 'agents',
  states: {
    'nothing held': undefined,
    running: run,
    ended: { ...run, status: 'complete', ended_at: EARLIER },
    deleted: { id: RUN, version: 3, deleted: true },
  },
  changes: {
    'it is created': change('created', { ...run, version: 1, output: '', status: 'queued' }),
    'text follows': change('extended', { offset: 7, text: ' und 🎉' }),
    'text overlaps': change('extended', { offset: 5, text: '👋!' }),
    'text is missing before it': change('extended', { offset: 99, text: 'x' }),
    'it runs': change('extended', { offset: 7, text: '' }),
    'it ends': change('finished', {
      status: 'stopped',
      length: 7,
      ended_at: context.at,
      metadata: { model: 'demo', tokens: 3 },
    }),
    'it is deleted': change('deleted', {}),
    'the same version comes again': change('extended', { offset: 7, text: 'x' }, 0),
    'its content is stripped': change('extended'),
    'an op of the future': change('of_the_future', { x: 1 }),
    'the account is closed': change('closed', {}),
  },
  commands: {
    run: { command: 'run', payload: start },
    'run for a conversation': { command: 'run', payload: { ...start, conversation_id: id(10) } },
    delete: { command: 'delete', payload: { run_id: RUN } },
  },
  reduce: reduceRun,
  decide: (command, state, payload) =>
    command === 'run' ? decideRun(state, payload as RunStart, context) : decideRunDelete(state),
}
