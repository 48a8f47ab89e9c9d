// Saves an agent's settings without replacing what the person hasn't seen: fields that another
// device saved before this one was connected again.
import { isObject, type Json, type JsonObject } from '@lockstep/protocol/free-form'
import type { AgentSettings } from './agents.svelte.ts'
import { engine } from './engine.ts'

/** The mutation ids of all saves of this page. */
const saves = new Set<string>()

/** Whether a command is a save from here, which deals with a conflict by itself. */
export const isAgentSave = (mutation_id: string): boolean => saves.has(mutation_id)

/**
 * Stores only the given fields, so that the others remain the server's. An undefined temperature
 * is removed. Resolves with `conflict` if another device has changed one of these fields since.
 */
export async function saveAgent(
  id: string,
  changes: Partial<AgentSettings>,
): Promise<'saved' | 'refused' | 'conflict' | 'discarded' | 'dropped'> {
  const names = Object.keys(changes)
  const settings: JsonObject = Object.fromEntries(
    Object.entries(changes).map(([name, value]): [string, Json] => [name, value ?? null]),
  )
  const before = storedFields(engine.preferences.value, id, names)
  for (;;) {
    const if_version = engine.preferences.version
    const patch = { agent_settings: { [id]: settings } }
    const { mutation_id, outcome } = engine.preferences.update(patch, { if_version })
    saves.add(mutation_id)
    const end = await outcome
    if (end.ok) return 'saved'
    if (end.reason !== 'failed') return end.reason
    if (end.problem.code !== 'version_conflict') return 'refused'
    const { current } = end.problem
    const present = isObject(current) && isObject(current.preferences) ? current.preferences : {}
    if (storedFields(present, id, names) !== before) return 'conflict'
  }
}

function storedFields(
  { agent_settings }: Record<string, unknown>,
  id: string,
  names: readonly string[],
): string {
  const stored = isObject(agent_settings) ? agent_settings[id] : undefined
  return JSON.stringify(names.map((name) => (isObject(stored) ? (stored[name] ?? null) : null)))
}
