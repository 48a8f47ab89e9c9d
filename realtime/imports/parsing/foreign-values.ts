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
  if (isObject(value) && typeof value.$oid === 'string') return value.$oid.toWellFormed()
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
  ['assistant', 'assistant'],
  ['ai', 'assistant'],
  ['bot', 'assistant'],
  ['model', 'assistant'],
  ['system', 'system'],
  ['developer', 'system'],
  ['tool', 'tool'],
  ['function', 'tool'],
])

/** Undefined for any other name, such as that of a model. */
export const roleOf = (value: unknown): Message['role'] | undefined =>
  roles.get(textOf(value)?.toLowerCase())

/** The elements of a list. A value by itself counts as a list of one. */
export const listOf = (value: unknown): unknown[] =>
  Array.isArray(value) ? value : value === undefined || value === null ? [] : [value]

/** The objects in a list. */
export const objectsOf = (value: unknown): Fields[] => listOf(value).filter(isObject)

/** Says nothing: null, empty text, or a list or object without elements. */
export const isEmpty = (value: unknown): boolean =>
  value === undefined ||
  value === null ||
  value === '' ||
  (Array.isArray(value) && value.length === 0) ||
  (isObject(value) && Object.keys(value).length === 0)

/** How deep parts within parts are read. */
const MAX_PART_DEPTH = 20

export interface SeparatedText {
  /** '' if there is none. */
  text: string
  /** What the value holds beside its text; undefined if that is nothing. */
  rest: unknown
}

/**
 * Separates the text of a message's content from what else it holds. The content is a string, a
 * part with `text`, or a list of either.
 */
export function separateText(value: unknown, depth = MAX_PART_DEPTH): SeparatedText {
  const nothing = { text: '', rest: isEmpty(value) ? undefined : value }
  if (depth === 0) return nothing
  if (Array.isArray(value)) {
    const parts = value.map((part) => separateText(part, depth - 1))
    const rest = parts.map((part) => part.rest).filter((part) => part !== undefined)
    const text = joinTexts(parts.map((part) => part.text))
    return { text, rest: rest.length > 0 ? rest : undefined }
  }
  const text = textOf(value)
  if (text !== undefined) return { text, rest: undefined }
  if (!isObject(value)) return nothing
  for (const name of ['text', 'value', 'content']) {
    const inner = separateText(value[name], depth - 1)
    if (inner.text === '') continue
    const { [name]: _text, ...others } = value
    const rest = { ...others, ...(inner.rest !== undefined && { [name]: inner.rest }) }
    return { text: inner.text, rest: isEmpty(rest) ? undefined : rest }
  }
  return nothing
}

/** Joins texts in order, without the empty ones. */
export const joinTexts = (texts: readonly string[]): string =>
  texts.filter((text) => text !== '').join('\n\n')

/** Whether a text repeats another one, or a part of it. White space doesn't count. */
export const isRepeated = (text: string, within: string): boolean =>
  withoutSpace(within).includes(withoutSpace(text))

const withoutSpace = (text: string): string => text.replaceAll(/\s+/g, '')
