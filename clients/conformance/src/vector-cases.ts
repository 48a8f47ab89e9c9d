// The JSON vectors: what a change makes of a state, and which change a command asks for.
import { equalJson } from '@lockstep/protocol/free-form'
import type { Topic } from '@lockstep/protocol/topics'
import account from './vectors/account.json' with { type: 'json' }
import agents from './vectors/agents.json' with { type: 'json' }
import conversations from './vectors/conversations.json' with { type: 'json' }
import preferences from './vectors/preferences.json' with { type: 'json' }
import records from './vectors/records.json' with { type: 'json' }
import type { Adapter, AdapterRequest } from './adapter.ts'
import { Deviation } from './cases.ts'

interface VectorFile {
  topic: Topic
  context: { user_id: string; at: string }
  states: Record<string, unknown>
  reduce: { name: string; state: string; change: unknown; result: Result }[]
  decide: { name: string; state: string; command: string; payload: unknown; result: unknown }[]
}
interface Result {
  is?: string
  value?: unknown
  set?: Record<string, unknown>
  unset?: readonly string[]
}

/** The compiler gives each row a type of its own; this is what they have in common. */
const files = [conversations, preferences, agents, account, records].map(
  (file) => file as unknown as VectorFile,
)

export interface VectorCase {
  rule: 'reduce' | 'decide'
  name: string
  request: AdapterRequest
  expected: unknown
}

/** The state that a result describes. */
function stateOf(before: unknown, { is, value, set, unset = [] }: Result): unknown {
  if (is !== undefined) return before
  if (!set) return value
  const kept = Object.entries(before as object).filter(([key]) => !unset.includes(key))
  return { ...Object.fromEntries(kept), ...set }
}

const isError = (result: unknown): result is { error: string } =>
  typeof result === 'object' && result !== null && 'error' in result

export const vectorCases: readonly VectorCase[] = files.flatMap(
  ({ topic, context, states, reduce, decide }): VectorCase[] => [
    ...reduce.map(({ name, state, change, result }): VectorCase => ({
      rule: 'reduce',
      name: `${topic}, ${name}`,
      request: { do: 'reduce', topic, state: states[state], change },
      expected: { result: stateOf(states[state], result) },
    })),
    ...decide.map(({ name, state, command, payload, result }): VectorCase => ({
      rule: 'decide',
      name: `${topic}, ${name}`,
      request: { do: 'decide', topic, command, state: states[state], payload, context },
      expected: isError(result) ? result : { result },
    })),
  ],
)

/** Throws Deviation if the client makes something else of it. */
export async function checkVector({ request, expected }: VectorCase, adapter: Adapter) {
  const answer = await adapter.ask(request)
  const found = 'error' in answer ? { error: answer.error.code } : answer
  if (!equalJson(found, expected))
    throw new Deviation(`expected ${JSON.stringify(expected)}\n     got ${JSON.stringify(found)}`)
}
