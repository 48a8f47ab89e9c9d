// Schemas of the wire's smallest values: ids, text, times, free-form objects. What devices need at
// run time (making ids, measuring, merging) is in files without zod: a page shouldn't load a
// validator for data that its server has validated.
import * as z from 'zod'
import {
  exceedsFreeForm,
  exceedsMetadata,
  isObject,
  reservedKeys,
  type Json,
  type JsonObject,
} from './free-form.ts'
import * as limits from './limit-values.ts'
import { hasAtMost, hasAtMostBytes } from './text.ts'

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i

/** A UUID of any version, converted to lower case. */
export const Uuid = z
  .string()
  .regex(uuid, 'must be a UUID')
  .toLowerCase()
  .meta({ id: 'Uuid', format: 'uuid' })
export type Uuid = z.infer<typeof Uuid>

/** Any well-formed string. Lone surrogates have no UTF-8 form and are rejected. */
export const Text = z
  .string()
  .refine((value) => value.isWellFormed(), 'must be well-formed Unicode')

/** Text of at most `max` characters. */
export const shortText = (max: number) =>
  Text.refine((value) => hasAtMost(value, max), {
    message: `must have at most ${max} characters`,
    abort: true,
  })

/** Text of at most `max` bytes; more is `too_large`. */
export const sizedText = (max: number) =>
  Text.refine((value) => hasAtMostBytes(value, max), {
    message: `must have at most ${max} bytes`,
    params: { limit_bytes: max },
  })

/**
 * The time in UTC with milliseconds; undefined if the text is no time, or if its year in UTC
 * doesn't have four digits. An offset can lead beyond both ends.
 */
function folded(value: string): string | undefined {
  const ms = Date.parse(value)
  const iso = Number.isNaN(ms) ? undefined : new Date(ms).toISOString()
  return iso !== undefined && /^\d{4}-/.test(iso) ? iso : undefined
}

/**
 * A moment in ISO 8601, with or without the minutes of an offset. It is converted to UTC with
 * milliseconds.
 */
export const Time = z.iso
  .datetime({ offset: true, abort: true })
  .refine((value) => folded(value) !== undefined, 'must be a time in the years 0 to 9999')
  .overwrite((value) => folded(value) ?? value)
  .meta({ id: 'Time' })

/**
 * A field that a client may not set. A client may send back what it got by GET; any value is
 * accepted and dropped.
 */
export const ReadOnly = z
  .unknown()
  .transform((): unknown => undefined)
  .optional()
  .describe('Read-only: accepted as it was read, and ignored')

/** A frame of a socket may carry binary attachments, which look like objects. */
function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value)
  return Array.isArray(value) || prototype === Object.prototype || prototype === null
}

/**
 * What is wrong with a value at `depth`; undefined if nothing is. Keys that a database or a
 * prototype would interpret are rejected, unless the value is `any` JSON, which is stored as text.
 */
function fault(value: unknown, depth: number, any = false): string | undefined {
  if (typeof value === 'string')
    return value.isWellFormed() ? undefined : 'must be well-formed Unicode'
  if (typeof value === 'number')
    return Number.isFinite(value) ? undefined : 'must be a finite number'
  if (value === null || typeof value === 'boolean') return undefined
  if (typeof value !== 'object' || !isPlain(value)) return 'must be JSON'
  const levels = any ? limits.jsonDepth : limits.freeFormDepth
  if (depth > levels) return `must not be nested deeper than ${levels} levels`
  for (const [key, inner] of Object.entries(value)) {
    if (!Array.isArray(value)) {
      if (any) {
        // no key is interpreted
      } else if (
        key.startsWith('$') ||
        key.includes('.') ||
        key.includes('\0') ||
        reservedKeys.has(key)
      )
        return `must not have keys that start with "$", contain "." or NUL, or are ${[...reservedKeys].join(' or ')}`
      if (!key.isWellFormed()) return 'must be well-formed Unicode'
    }
    const found = fault(inner, depth + 1, any)
    if (found) return found
  }
  return undefined
}

const isJson = (value: unknown): value is Json => value !== undefined

/** Any JSON, whatever its keys are called. */
export const AnyJson = z
  .custom<Json>(isJson, 'must be given')
  .superRefine((value, context) => {
    const message = fault(value, 1, true)
    if (message) context.addIssue({ code: 'custom', message })
  })
  .describe('Any JSON')

const tooBig = `must have at most ${limits.freeFormBytes} bytes`

const freeForm = (exceeds: (value: JsonObject) => boolean) =>
  z.custom<JsonObject>(isObject, 'must be an object').superRefine((value, context) => {
    const message = fault(value, 1)
    if (message) context.addIssue({ code: 'custom', message })
    else if (exceeds(value))
      context.addIssue({
        code: 'custom',
        message: tooBig,
        params: { limit_bytes: limits.freeFormBytes },
      })
  })

/** A free-form object, or a merge patch of one (which is such an object itself). */
export const FreeForm = freeForm(exceedsFreeForm).describe('Free-form JSON of the client')

/** That of a message: its `thinking` follows from the parts. */
export const MessageMetadata = freeForm(exceedsMetadata).describe(
  'Free-form JSON of the client; `thinking` is the text of the reasoning parts',
)
