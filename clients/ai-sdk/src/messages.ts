// Messages of the AI SDK as messages of Lockstep, and back, without loss: `toUIMessage` gives what
// `toMessageInput` took, and the other way round.
import type { Json } from '@lockstep/client'
import {
  equalJson,
  partsOf,
  type Message,
  type MessageInput,
  type Part,
} from '@lockstep/client/protocol'
import { idOf } from '@lockstep/client/foreign-ids'
import type { UIMessage } from 'ai'
import { fromUIPart, noted, objectIn, partIdOf, REST, toUIPart, type UIFields } from './parts.ts'

/** What has to be done to a translated part to get the original one. */
interface Difference {
  set?: Record<string, Json>
  unset?: string[]
  /** The state of the tool's call at that time: what it has come to since counts more. */
  at?: string
}

/** The value of the part that keeps what Lockstep has no place for. */
interface Rest {
  id?: string
  metadata?: Json
  /** By the part's id. */
  parts?: Record<string, Difference>
}

/** What the SDK's messages have as `metadata.lockstep`, if there is something to say. */
export interface LockstepMetadata {
  /** How a message ended that isn't complete. */
  status?: 'stopped' | 'interrupted' | 'failed'
  /** What Lockstep's message has as metadata: who wrote a reply, why it failed. */
  metadata?: Record<string, Json>
  /** Lockstep has messages of tools; the SDK's are the assistant's. */
  role?: 'tool'
}

type Composed = Pick<Message, 'id' | 'role' | 'content' | 'metadata' | 'status' | 'parts'>

/** The message for `append`, with all that the SDK's has. */
export function toMessageInput(message: UIMessage): MessageInput & { id: string } {
  const ui = asJson(message)
  const id = idOf(message.id)
  const rest: Rest = { ...(id !== message.id && { id: message.id }) }
  const { lockstep, ...own } = objectIn(ui.metadata)
  const note = objectIn(lockstep)
  const isOwn = !isObject(ui.metadata) || lockstep === undefined || Object.keys(own).length > 0
  if (ui.metadata !== undefined && isOwn) rest.metadata = isObject(ui.metadata) ? own : ui.metadata
  const taken = new Set([REST])
  const differences: [part_id: string, found: Difference][] = []
  const parts = partsIn(ui).map((fields) => {
    const part = fromUIPart(fields, partIdOf(fields, taken))
    const found = difference(fields, shownPart(part, false, taken))
    taken.add(part.id)
    const at = part.type === 'tool' && { at: part.state }
    if (found) differences.push([part.id, { ...found, ...at }])
    return part
  })
  if (differences.length > 0) rest.parts = Object.fromEntries(differences)
  // Lockstep keeps a message of one text without its parts: then there is no place for another id.
  const [first, ...others] = parts
  const isOneText = others.length === 0 && first?.type === 'text'
  const isLost = isOneText && (first.id !== 'text' || ('text' in first && first.text === ''))
  const all: Part[] =
    Object.keys(rest).length === 0 && !isLost
      ? parts
      : [...parts, { id: REST, type: REST, value: asJson(rest) }]
  const { status, metadata, role } = note
  const isFinal = typeof status === 'string' && status !== 'streaming'
  return {
    id,
    role: role === 'tool' ? 'tool' : message.role,
    ...(all.length > 0 ? { parts: all } : { content: '' }),
    ...(isFinal && { status: status as MessageInput['status'] }), // as `toUIMessage` noted it
    ...(metadata !== undefined && { metadata: objectIn(metadata) }),
  }
}

/** The SDK's message for one of a conversation. */
export function toUIMessage<Shown extends UIMessage = UIMessage>(message: Composed): Shown {
  const all = partsOf(message)
  const rest = restIn(all)
  const differences = new Map(Object.entries(rest.parts ?? {}))
  const shown = all.filter(({ type }) => type !== REST)
  const taken = new Set([REST])
  // New text goes on in the last text or reasoning, unless something else has come after it.
  const firstOpen = shown.findLastIndex(({ type }) => type !== 'text' && type !== 'reasoning') + 1
  const parts = shown.map((part, index) => {
    const isOpen = message.status === 'streaming' && index >= firstOpen
    const found = differences.get(part.id)
    const ui = restored(shownPart(part, isOpen, taken), found && stillTrue(found, part))
    taken.add(part.id)
    return ui
  })
  const metadata = metadataOf(message, rest)
  const made = {
    id: rest.id ?? message.id,
    role: message.role === 'tool' ? 'assistant' : message.role,
    ...(metadata !== undefined && { metadata }),
    parts,
  }
  return made as unknown as Shown // what the parts are was the app's choice when it wrote them
}

/** The translated part, with a note of its id if the SDK's fields don't give it. */
function shownPart(part: Part, isOpen: boolean, taken: ReadonlySet<string>): UIFields {
  const ui = toUIPart(part, isOpen)
  return partIdOf(ui, taken) === part.id ? ui : noted(ui, { id: part.id })
}

function metadataOf({ status, role, metadata }: Composed, rest: Rest): Json | undefined {
  const { thinking: _thinking, ...own } = metadata
  const note: LockstepMetadata = {
    ...(status !== 'complete' && status !== 'streaming' && { status }),
    ...(Object.keys(own).length > 0 && { metadata: own }),
    ...(role === 'tool' && { role }),
  }
  if (Object.keys(note).length === 0) return rest.metadata
  return { ...objectIn(rest.metadata), lockstep: asJson(note) }
}

function restIn(parts: readonly Part[]): Rest {
  const found = parts.find(({ type }) => type === REST)
  // as `toMessageInput` made it
  return found && 'value' in found ? (objectIn(found.value) as Rest) : {}
}

function difference(original: UIFields, translated: UIFields): Difference | undefined {
  const set = Object.entries(original).filter(
    ([name, value]) => !equalJson(value, translated[name]),
  )
  const unset = Object.keys(translated).filter((name) => !Object.hasOwn(original, name))
  if (set.length + unset.length === 0) return undefined
  return {
    ...(set.length > 0 && { set: Object.fromEntries(set) }),
    ...(unset.length > 0 && { unset }),
  }
}

function restored(translated: UIFields, { set, unset = [] }: Difference = {}): UIFields {
  const left = Object.entries(translated).filter(([name]) => !unset.includes(name))
  return { ...Object.fromEntries(left), ...set }
}

const ofTheCall = ['state', 'output', 'errorText', 'approval', 'preliminary', 'rawInput']

/** The difference without what was true of the tool's call then and isn't now. */
function stillTrue(found: Difference, part: Part): Difference {
  if (part.type !== 'tool' || found.at === part.state) return found
  const set = Object.entries(found.set ?? {}).filter(([name]) => !ofTheCall.includes(name))
  return {
    set: Object.fromEntries(set),
    unset: (found.unset ?? []).filter((name) => !ofTheCall.includes(name)),
  }
}

const partsIn = ({ parts }: UIFields): UIFields[] =>
  Array.isArray(parts) ? parts.map((part) => objectIn(part)) : []

const isObject = (value: Json | undefined): boolean =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** The value as it travels: fields that are undefined don't. */
const asJson = (value: object): Record<string, Json> =>
  JSON.parse(JSON.stringify(value)) as Record<string, Json>
