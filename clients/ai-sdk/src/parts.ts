// Parts of the AI SDK's messages as parts of Lockstep's, and back. Each is translated as far as
// both sides have the same thing; messages.ts keeps what differs. What only Lockstep has is noted
// in the SDK's own place for it, `providerMetadata.lockstep`.
import type { Json } from '@lockstep/client'
import type { Part } from '@lockstep/client/protocol'

/** A part of the AI SDK as JSON: a newer SDK may have types and fields that aren't known here. */
export type UIFields = Readonly<Record<string, Json>>
/** What Lockstep knows of a part and the SDK has no field for. */
type Notes = Readonly<Record<string, Json | undefined>>

/** The type of a part that Lockstep has none for. Its value is the SDK's part. */
const FOREIGN = 'data-ai-sdk-part'
/** The type of the part in which a message keeps what its other parts have no place for. */
export const REST = 'data-ai-sdk'
const MAX_ID = 200

const toolStates = {
  calling: 'input-available',
  waiting_approval: 'approval-requested',
  done: 'output-available',
  failed: 'output-error',
  denied: 'output-denied',
} as const

/** @param isOpen the part is being written */
export function toUIPart(part: Part, isOpen: boolean): UIFields {
  const state = isOpen ? 'streaming' : 'done'
  switch (part.type) {
    case 'text':
      return { type: 'text', text: part.text, state }
    case 'reasoning':
      return noted({ type: 'reasoning', text: part.text, state }, { ms: part.ms })
    case 'tool':
      return toUITool(part)
    case 'source': {
      const { id, url, title } = part
      return { type: 'source-url', sourceId: id, url, ...(title !== undefined && { title }) }
    }
    case 'file': {
      const { url, file_id, name, media_type, bytes, width, height } = part
      const address = url ?? `lockstep:${file_id}`
      return noted(
        { type: 'file', url: address, filename: name, mediaType: media_type },
        { file_id, no_url: url === undefined ? true : undefined, bytes, width, height },
      )
    }
    default:
      return part.type === FOREIGN
        ? (part.value as UIFields) // as `fromUIPart` wrote it
        : { type: part.type, id: part.id, data: part.value }
  }
}

function toUITool(part: Extract<Part, { type: 'tool' }>): UIFields {
  const { name, call_id, result } = part
  const state = toolStates[part.state]
  const given = { type: `tool-${name}`, toolCallId: call_id, state, input: part.arguments }
  const hasResult = result !== undefined
  if (state === 'output-available') return { ...given, ...(hasResult && { output: result }) }
  if (state === 'output-error') {
    const errorText = typeof result === 'string' ? result : hasResult ? JSON.stringify(result) : ''
    const other = typeof result === 'string' ? undefined : result
    return noted(
      { ...given, errorText },
      { result: other, no_result: hasResult ? undefined : true },
    )
  }
  const left = { result }
  if (state === 'approval-requested') return noted({ ...given, approval: { id: part.id } }, left)
  if (state === 'output-denied')
    return noted({ ...given, approval: { id: part.id, approved: false } }, left)
  return noted(given, left)
}

/** @param id unique in the message */
export function fromUIPart(ui: UIFields, id: string): Part {
  return recognized(ui, id) ?? { id, type: FOREIGN, value: ui }
}

function recognized(ui: UIFields, id: string): Part | undefined {
  const { type, text, url, title, filename, mediaType, data } = ui
  const { ms, file_id, no_url, bytes, width, height } = notesOf(ui)
  if (typeof type !== 'string' || type === FOREIGN || type === REST) return undefined
  if (type === 'text' && typeof text === 'string') return { id, type, text }
  if (type === 'reasoning' && typeof text === 'string') return { id, type, text, ...count({ ms }) }
  if (type === 'source-url' && typeof url === 'string' && isWebAddress(url))
    return { id, type: 'source', url, ...(typeof title === 'string' && { title }) }
  if (type === 'file' && typeof url === 'string' && typeof mediaType === 'string') {
    const name = typeof filename === 'string' ? filename : ''
    const sizes = count({ bytes, width, height })
    const onServer = typeof file_id === 'string' && { file_id }
    const address = !(onServer && no_url === true) && { url }
    return { id, type, ...onServer, ...address, name, media_type: mediaType, ...sizes }
  }
  if (/^data-./.test(type) && type.length <= MAX_ID && data !== undefined)
    return { id, type: type as `data-${string}`, value: data } // the line above has checked it
  return recognizedTool(ui, id)
}

function recognizedTool(ui: UIFields, id: string): Part | undefined {
  const { type, toolName, toolCallId, state, input, output, errorText } = ui
  const name = type === 'dynamic-tool' ? toolName : /^tool-(.*)$/s.exec(String(type))?.[1]
  if (typeof name !== 'string' || typeof toolCallId !== 'string') return undefined
  const { result: noted, no_result } = notesOf(ui)
  const results = no_result === true ? [] : [noted, output, errorText]
  const result = results.find((value) => value !== undefined)
  return {
    id,
    type: 'tool',
    name,
    call_id: toolCallId,
    arguments: input ?? null,
    state: toolStateOf(state),
    ...(result !== undefined && { result }),
  }
}

function toolStateOf(state: Json | undefined): keyof typeof toolStates {
  for (const [ours, theirs] of Object.entries(toolStates))
    if (theirs === state) return ours as keyof typeof toolStates // `entries` forgets the keys
  return 'calling'
}

const isWebAddress = (url: string): boolean => /^https?:\/\//i.test(url) && URL.canParse(url)

const count = <Name extends string>(notes: Record<Name, Json | undefined>) =>
  Object.fromEntries(
    Object.entries(notes).filter(
      ([, value]) => typeof value === 'number' && Number.isSafeInteger(value) && value >= 0,
    ),
  ) as { [Key in Name]?: number } // what is left are numbers

/** The id of a part: the SDK's if it has one. No part before has it. */
export function partIdOf(ui: UIFields, taken: ReadonlySet<string>): string {
  const wanted = [notesOf(ui).id, ui.sourceId, ui.toolCallId, ui.id, ui.type]
  const isUsable = (name: unknown): name is string =>
    typeof name === 'string' && name !== '' && name.length <= MAX_ID - 10
  const name = wanted.find(isUsable) ?? 'part'
  if (!taken.has(name)) return name
  let n = 2
  while (taken.has(`${name}-${n}`)) n++
  return `${name}-${n}`
}

const isTool = ({ type }: UIFields): boolean => /^(tool-|dynamic-tool$)/.test(String(type))
const placeOfNotes = (ui: UIFields): string =>
  isTool(ui) ? 'callProviderMetadata' : 'providerMetadata'

/** The part with these notes besides the ones that it has. */
export function noted(ui: UIFields, notes: Notes): UIFields {
  const known = Object.entries(notes).filter(([, value]) => value !== undefined)
  if (known.length === 0) return ui
  const place = placeOfNotes(ui)
  const lockstep = { ...notesOf(ui), ...Object.fromEntries(known) }
  // all of it came from JSON
  return { ...ui, [place]: { ...objectIn(ui[place]), lockstep } as Json }
}

const notesOf = (ui: UIFields): Notes => objectIn(objectIn(ui[placeOfNotes(ui)]).lockstep)

/** The value if it is an object, else an empty one. */
export const objectIn = (value: Json | undefined): Record<string, Json> =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? value : {}
