// Values of foreign exports, read with an open mind: each of these accepts all that is met in the wild and gives undefined for the rest.
import { isObject } from '@lockstep/protocol/free-form'
import { Fault } from '@lockstep/protocol/errors'
import type { Message } from '@lockstep/protocol/message'
import type { ParsedItem, ParsedConversation } from './imported.ts'

export type Fields = Record<string, unknown>

/** The first of these fields that isn't null. */
export const firstOf = (fields: Fields, ...names: string[]): unknown =>
  names.map((name) => fields[name]).find((value) => value !== undefined && value !== null)

/** Well-formed text; `{$oid}` is one way of writing an id. */
export function textOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value.toWellFormed()
  if (typeof value === 'number') return String(value)
  if (isObject(value) && typeof value.$oid === 'string') return value.$oid
  return undefined
}

/** Before this many, a number counts seconds; from it on milliseconds. */
const MILLISECONDS_FROM = 1e11
const FIRST_YEAR = Date.UTC(1980)
const LAST_YEAR = Date.UTC(2200)

/** A moment as ISO time: from ISO text, seconds or milliseconds since the epoch, or `{$date}`. What can't be one is undefined. */
export function timeOf(value: unknown): string | undefined {
  if (isObject(value)) {
    const inner = value.$date ?? value.$numberLong
    return timeOf(isObject(inner) ? textOf(inner.$numberLong) : inner)
  }
  const number = typeof value === 'string' && /^\d+(\.\d+)?$/.test(value) ? Number(value) : value
  const ms =
    typeof number === 'number'
      ? Math.round(number < MILLISECONDS_FROM ? number * 1000 : number)
      : typeof number === 'string'
        ? Date.parse(number)
        : NaN
  return ms >= FIRST_YEAR && ms < LAST_YEAR ? new Date(ms).toISOString() : undefined
}

const roles = new Map<string | undefined, Message['role']>([
  ['user', 'user'],
  ['human', 'user'],
  ['system', 'system'],
  ['developer', 'system'],
  ['tool', 'tool'],
  ['function', 'tool'],
])
/** Whoever is neither the user, the system nor a tool is an assistant of some name. */
export const roleOf = (value: unknown): Message['role'] =>
  roles.get(textOf(value)?.toLowerCase()) ?? 'assistant'

/** The items of a list, one by itself counting as one. */
export const listOf = (value: unknown): unknown[] =>
  Array.isArray(value) ? value : value == null ? [] : [value]

/** The objects in a list. */
export const objectsOf = (value: unknown): Fields[] => listOf(value).filter(isObject)

/** Parts within parts that are looked into. */
const PART_LEVELS = 20

/** The text in content that is a string, a part with `text`, or a list of those. */
export function partsText(value: unknown, levels = PART_LEVELS): string {
  if (levels === 0) return ''
  if (isObject(value)) return partsText(firstOf(value, 'text', 'value', 'content'), levels - 1)
  if (!Array.isArray(value)) return textOf(value) ?? ''
  return value
    .map((part) => partsText(part, levels - 1))
    .filter(Boolean)
    .join('\n\n')
}

/**
 * The conversations of a source whose export is a list of them, or one by itself, or a list under `conversations`. A broken one is
 * reported and the others go on. Throws `invalid` for data of another shape.
 */
export function* conversationsIn(
  data: unknown,
  read: (fields: Fields) => ParsedConversation | undefined,
  first = 0,
): Iterable<ParsedItem> {
  const list = isObject(data) && Array.isArray(data.conversations) ? data.conversations : data
  if (!isObject(list) && !Array.isArray(list)) throw notThisSource()
  for (const [place, item] of listOf(list).entries()) {
    const index = first + place
    yield readItem(item, index, () => {
      const conversation = isObject(item) ? read(item) : undefined
      if (conversation) return { kind: 'conversation', conversation }
      return {
        kind: 'failed',
        item: nameOf(item, index),
        reason: 'This is not a conversation of that product',
      }
    })
  }
}

/** One that breaks its reader, by shapes that nobody thought of, is reported as well. */
export function readItem(item: unknown, index: number, read: () => ParsedItem): ParsedItem {
  try {
    return read()
  } catch {
    return { kind: 'failed', item: nameOf(item, index), reason: 'This could not be read' }
  }
}

export function notThisSource(): Fault {
  const message = 'is not what that product exports'
  return new Fault('invalid', { detail: `data ${message}`, issues: [{ path: 'data', message }] })
}

/** What a person would call an item. */
export function nameOf(item: unknown, index: number): string {
  const name = isObject(item)
    ? textOf(firstOf(item, 'title', 'name', 'id', '_id', 'uuid'))
    : undefined
  return name === undefined || name === '' ? `item ${index + 1}` : name.slice(0, 100).toWellFormed()
}
