// Reads single values of other products' exports. Each function accepts every form that is met in
// the wild, and returns undefined or a default for the rest.
import { isObject } from '@lockstep/protocol/free-form'
import type { Message } from '@lockstep/protocol/message'

/** An object of an export, whose fields may be anything. */
export type Fields = Record<string, unknown>

/** The first of these fields that is neither null nor missing. */
export const firstOf = (fields: Fields, ...names: string[]): unknown =>
  names.map((name) => fields[name]).find((value) => value !== undefined && value !== null)

/** Well-formed text, from a string, a number or MongoDB's `{$oid}`. */
export function textOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value.toWellFormed()
  if (typeof value === 'number') return String(value)
  if (isObject(value) && typeof value.$oid === 'string') return value.$oid
  return undefined
}

/** A smaller number counts seconds since 1970; from here on it counts milliseconds. */
const MILLISECONDS_FROM = 1e11
const FIRST_YEAR = Date.UTC(1980)
const LAST_YEAR = Date.UTC(2200)

/** ISO 8601, from a date as text, seconds or milliseconds since 1970, or MongoDB's `{$date}`. */
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
/** Any other name, such as that of a model, means an assistant. */
export const roleOf = (value: unknown): Message['role'] =>
  roles.get(textOf(value)?.toLowerCase()) ?? 'assistant'

/** The elements of a list. A value by itself counts as a list of one. */
export const listOf = (value: unknown): unknown[] =>
  Array.isArray(value) ? value : value == null ? [] : [value]

/** The objects in a list. */
export const objectsOf = (value: unknown): Fields[] => listOf(value).filter(isObject)

/** How deep parts within parts are read. */
const MAX_PART_DEPTH = 20

/** The text of a message's content: a string, a part with `text`, or a list of either. */
export function partsText(value: unknown, depth = MAX_PART_DEPTH): string {
  if (depth === 0) return ''
  if (isObject(value)) return partsText(firstOf(value, 'text', 'value', 'content'), depth - 1)
  if (!Array.isArray(value)) return textOf(value) ?? ''
  return value
    .map((part) => partsText(part, depth - 1))
    .filter(Boolean)
    .join('\n\n')
}
