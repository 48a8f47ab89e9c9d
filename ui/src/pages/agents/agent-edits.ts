// Edits of an agent that aren't saved yet, as the text of a draft, so that they survive whatever a
// draft survives. Only edited fields are in it, each with the value that the person saw when
// editing it began: other devices may save other fields meanwhile.
import type { AgentSettings } from '../../lib/stores/agents.svelte.ts'
import type { TextKey } from '../../lib/texts.ts'

export const settingLabels = {
  name: 'agents.name',
  description: 'agents.description',
  instructions: 'agents.instructions',
  model: 'agents.model',
  temperature: 'agents.temperature',
} as const satisfies Record<keyof AgentSettings, TextKey>

type SettingName = keyof AgentSettings
const settingNames = Object.keys(settingLabels) as SettingName[]

type Setting = string | number | undefined
interface Edit {
  from: Setting
  to: Setting
}
type AgentEdits = { [Name in SettingName]?: Edit }

/** The settings of an agent that doesn't exist yet. */
export const blankSettings: AgentSettings = {
  name: '',
  description: '',
  instructions: '',
  model: '',
  temperature: undefined,
}

/**
 * A text that doesn't have the form of edits, such as one of another program, counts as
 * instructions.
 */
export function readEdits(text: string): AgentEdits {
  if (text === '') return {}
  try {
    const value: unknown = JSON.parse(text)
    if (isEdits(value)) return withSettings(value)
  } catch {
    // It isn't JSON.
  }
  return { instructions: { from: '', to: text } }
}

function isEdits(value: unknown): value is Record<SettingName, Edit> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  return Object.entries(value).every(([name, edit]: [string, unknown]) => {
    if (!Object.hasOwn(settingLabels, name) || typeof edit !== 'object' || edit === null)
      return false
    const { to } = edit as { to?: unknown }
    return name === 'temperature' ? to === null || typeof to === 'number' : typeof to === 'string'
  })
}

/** JSON has null for what is undefined here. */
const withSettings = (edits: Record<SettingName, Edit>): AgentEdits =>
  Object.fromEntries(
    Object.entries(edits).map(([name, { from, to }]) => [
      name,
      { from: from ?? undefined, to: to ?? undefined },
    ]),
  )

function writeEdits(edits: AgentEdits): string {
  const entries = Object.entries(edits).map(([name, { from, to }]): [string, object] => [
    name,
    { from: from ?? null, to: to ?? null },
  ])
  return entries.length === 0 ? '' : JSON.stringify(Object.fromEntries(entries))
}

/** The settings as the form shows them. */
export function withEdits(saved: AgentSettings, edits: AgentEdits): AgentSettings {
  const to = Object.entries(edits).map(([name, edit]): [string, Setting] => [name, edit.to])
  return { ...saved, ...Object.fromEntries(to) }
}

/** The edits as text, after the person has given a field another value. */
export function edited<Name extends SettingName>(
  edits: AgentEdits,
  saved: AgentSettings,
  name: Name,
  to: AgentSettings[Name],
): string {
  const { [name]: before, ...others } = edits
  if (to === saved[name]) return writeEdits(others)
  return writeEdits({ ...edits, [name]: { from: before ? before.from : saved[name], to } })
}

/** The fields whose edits would change the agent. */
export const changedNames = (saved: AgentSettings, edits: AgentEdits): SettingName[] =>
  settingNames.filter((name) => edits[name] && edits[name].to !== saved[name])

/** The edited fields that another device has changed since. */
export const outdatedNames = (saved: AgentSettings, edits: AgentEdits): SettingName[] =>
  changedNames(saved, edits).filter((name) => edits[name]?.from !== saved[name])

/** The edits as text, without some fields. */
export const withoutEdits = (edits: AgentEdits, names: readonly SettingName[]): string =>
  writeEdits(
    Object.fromEntries(
      Object.entries(edits).filter(([name]) => !names.includes(name as SettingName)),
    ),
  )

/** Joins two devices' edits, so that no text of either is missing. */
export function joinEdits(text: string, other: string): string {
  const [mine, theirs] = [readEdits(text), readEdits(other)]
  const joined: AgentEdits = { ...theirs, ...mine }
  for (const name of settingNames) {
    const [own, added] = [mine[name]?.to, theirs[name]?.to]
    if (typeof own !== 'string' || typeof added !== 'string' || own.includes(added)) continue
    const separator = name === 'instructions' ? '\n\n' : ' '
    joined[name] = { from: mine[name]?.from, to: [own, added].filter(Boolean).join(separator) }
  }
  return writeEdits(joined)
}

/** The edits for people to read: a line for each field. */
export function editsText(text: string, labelOf: (label: TextKey) => string): string {
  const edits = readEdits(text)
  return settingNames
    .flatMap((name) => {
      const edit = edits[name]
      return edit ? [`${labelOf(settingLabels[name])}: ${edit.to ?? ''}`] : []
    })
    .join('\n')
}
