// The calls of tools in a message of another product, as parts. Whatever form they have, the fields
// that they come from are kept as metadata too.
import { isObject, type Json } from '@lockstep/protocol/free-form'
import { firstCharacters } from '@lockstep/protocol/text'
import type { Part } from '@lockstep/protocol/parts'
import { isEmpty, objectsOf, textOf, type Fields } from './foreign-values.ts'
import { toMetadata } from './metadata.ts'

type ToolPart = Extract<Part, { type: 'tool' }>

interface Call {
  id: string
  name?: string
  arguments?: unknown
  result?: unknown
  failed?: boolean
}

/** More calls of one message are only kept as metadata. */
const MAX_CALLS = 100
const MAX_NAME = 200

/** Finds the calls in lists of what messages consist of, in order; a result goes to its call. */
export function toolPartsIn(...lists: readonly unknown[]): ToolPart[] {
  const calls = new Map<string, Call>()
  for (const [index, fields] of lists.flatMap((list) => objectsOf(list)).entries()) {
    const call = readCall(fields, `#${index}`)
    if (call) calls.set(call.id, { ...calls.get(call.id), ...call })
  }
  return [...calls.values()].slice(0, MAX_CALLS).map(toPart)
}

function readCall(fields: Fields, ownId: string): Call | undefined {
  const type = textOf(fields.type) ?? ''
  const inner = [fields.tool_call, fields.function].find(isObject)
  if (inner) {
    const id = textOf(inner.id ?? fields.id) ?? ownId
    return calledBy(id, inner, inner.args ?? inner.arguments, inner.output)
  }
  if (type.endsWith('tool_use'))
    return calledBy(textOf(fields.id) ?? ownId, fields, fields.input, undefined)
  if (type.endsWith('tool_result')) {
    const id = textOf(fields.tool_use_id) ?? ownId
    const name = textOf(fields.name)
    return {
      id,
      ...(name && { name }),
      result: fields.content ?? null,
      ...(fields.is_error === true && { failed: true }),
    }
  }
  if (type === 'tool') {
    const id = textOf(fields.uuid) ?? ownId
    const { call, result } = fields
    if (isObject(call)) return calledBy(id, call, call.parameters, undefined)
    const failed = fields.subtype === 'error'
    const said = result ?? fields.message
    if (isEmpty(said)) return undefined
    return { id, result: said, ...(failed && { failed }) }
  }
  return undefined
}

const calledBy = (id: string, { name }: Fields, given: unknown, result: unknown): Call => ({
  id,
  name: textOf(name) ?? 'tool',
  arguments: given ?? null,
  ...(!isEmpty(result) && { result }),
})

function toPart({ id, name = 'tool', failed, ...call }: Call, index: number): ToolPart {
  // without secrets, and within the limits
  const said = toMetadata({}, { arguments: parsed(call.arguments), result: parsed(call.result) })
  const { arguments: given = null, result } = said
  const state = failed ? 'failed' : 'done'
  return {
    id: `tool-${index + 1}`,
    type: 'tool',
    name: firstCharacters(name, MAX_NAME).toWellFormed(),
    call_id: firstCharacters(id, MAX_NAME).toWellFormed(),
    arguments: given,
    state,
    ...(result !== undefined && { result }),
  }
}

/** Arguments are often JSON in a text. */
function parsed(value: unknown): unknown {
  if (typeof value !== 'string' || !/^\s*[[{]/.test(value)) return value
  try {
    return JSON.parse(value) as Json
  } catch {
    return value
  }
}
