// Makes the JSON vectors of the conformance kit from the protocol's own reducers and decisions:
// `node tools/conformance-vectors.ts` writes them. A test compares the files with what this makes,
// so they follow every change of the rules.
//
// Each file has named states. A case names one and says what a change makes of it, or which change
// a command asks for. Every state is crossed with every change and every command, because the rules
// that clients get wrong are those of combinations that nobody thinks of.
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import type { AnyDecision, WireChange } from '@lockstep/protocol/change'
import { equalJson } from '@lockstep/protocol/free-form'
import { Fault } from '@lockstep/protocol/errors'
import { accountVectors } from './conformance-vectors/account.ts'
import { conversationVectors } from './conformance-vectors/conversations.ts'
import { preferencesVectors } from './conformance-vectors/preferences.ts'
import { recordVectors } from './conformance-vectors/records.ts'
import { runVectors } from './conformance-vectors/runs.ts'
import { context, type VectorSource } from './conformance-vectors/source.ts'

const folder = path.resolve(import.meta.dirname, '../clients/conformance/src/vectors')

type JsonRecord = Record<string, unknown>

/** A state by its name, or by what differs from the state before. */
type Result = { is: string } | { value: unknown } | { set: JsonRecord; unset?: string[] }

function resultOf(before: unknown, after: unknown): Result {
  if (equalJson(before, after)) return { is: 'the same' }
  if (!isRecord(before) || !isRecord(after)) return { value: after ?? null }
  const set = Object.fromEntries(
    Object.entries(after).filter(([key, value]) => !equalJson(before[key], value)),
  )
  const unset = Object.keys(before).filter((key) => !Object.hasOwn(after, key))
  return unset.length > 0 ? { set, unset } : { set }
}

const isRecord = (value: unknown): value is JsonRecord =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Values as they travel: without `undefined`, and without shared objects. */
const travelled = (value: unknown): unknown =>
  value === undefined ? null : (JSON.parse(JSON.stringify(value)) as unknown)

function decided(decide: () => AnyDecision | undefined): unknown {
  try {
    const decision = decide()
    if (!decision) return null
    const { op, entity_id, version, data } = decision
    return { op, entity_id, version, data }
  } catch (error) {
    if (!(error instanceof Fault)) throw error
    return { error: error.code }
  }
}

function fileOf<State>(source: VectorSource<State>): string {
  const states = Object.entries(source.states)
  const reduce = states.flatMap(([name, state]) =>
    Object.entries(source.changes).flatMap(([what, make]) => {
      const change = make(state)
      if (!change) return []
      const before = travelled(state)
      const after = travelled(source.reduce(state, travelled(change) as WireChange))
      return [{ name: `${name}: ${what}`, state: name, change, result: resultOf(before, after) }]
    }),
  )
  const decide = states.flatMap(([name, state]) =>
    Object.entries(source.commands).map(([what, { command, payload }]) => ({
      name: `${name}: ${what}`,
      state: name,
      command,
      payload,
      result: decided(() => source.decide(command, state, payload)),
    })),
  )
  const lines = (items: readonly unknown[]) =>
    items.map((item) => `    ${JSON.stringify(item)}`).join(',\n')
  return [
    '{',
    `  "topic": ${JSON.stringify(source.topic)},`,
    `  "context": ${JSON.stringify({ user_id: context.user_id, at: context.at })},`,
    '  "states": {',
    states.map(([name, s]) => `    "${name}": ${JSON.stringify(travelled(s))}`).join(',\n'),
    '  },',
    `  "reduce": [\n${lines(reduce)}\n  ],`,
    `  "decide": [${decide.length > 0 ? `\n${lines(decide)}\n  ` : ''}]`,
    '}\n',
  ].join('\n')
}

/** Name of the file -> its text. */
export const makeVectors = (): Map<string, string> =>
  new Map([
    ['conversations.json', fileOf(conversationVectors)],
    ['preferences.json', fileOf(preferencesVectors)],
    ['agents.json', fileOf(runVectors)],
    ['account.json', fileOf(accountVectors)],
    ['records.json', fileOf(recordVectors)],
  ])

if (import.meta.main)
  for (const [name, text] of makeVectors()) writeFileSync(path.join(folder, name), text)
