// Free-form objects (`metadata`, `preferences`): plain JSON with any keys, merged by RFC 7396.
import * as limits from './limit-values.ts'
import { byteLength } from './text.ts'

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json }
export type JsonObject = { [key: string]: Json }

/** True for a JSON object that is not an array. */
export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Keys that a prototype or the database's driver would interpret. */
export const reservedKeys: ReadonlySet<string> = new Set(['__proto__', '_bsontype'])

/**
 * True when lists and objects are nested in more than `levels` levels. It doesn't recurse, so that
 * it can't exhaust the stack.
 */
export function isDeeperThan(levels: number, value: unknown): boolean {
  let level = [value].filter(isNested)
  for (let depth = 0; level.length > 0; depth++) {
    if (depth === levels) return true
    level = level.flatMap((outer) => Object.values(outer).filter(isNested))
  }
  return false
}
const isNested = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !ArrayBuffer.isView(value)

/**
 * True when the object's JSON exceeds its limit. The result of a merge counts, so the command that
 * merges checks it too.
 */
export const exceedsFreeForm = (value: JsonObject): boolean =>
  byteLength(JSON.stringify(value)) > limits.freeFormBytes

/** The same for a message. Its `thinking` is a text of the message, with a limit of its own. */
export function exceedsMetadata(metadata: JsonObject): boolean {
  const { thinking, ...rest } = metadata
  return exceedsFreeForm(typeof thinking === 'string' ? rest : metadata)
}

/** RFC 7396: a patched copy. The arguments stay as they are. The copy shares unchanged branches. */
export function mergePatch(target: JsonObject, patch: JsonObject): JsonObject {
  const merged: JsonObject = { ...target }
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete merged[key]
    else if (isObject(value)) {
      const inner = Object.hasOwn(target, key) ? target[key] : undefined
      merged[key] = mergePatch(isObject(inner) ? inner : {}, value)
    } else merged[key] = value
  }
  return merged
}

/**
 * The patch that turns `to` back into `from`: `mergePatch(to, inversePatch(from, to))` equals
 * `from`, except for nulls inside `from`.
 */
export function inversePatch(from: JsonObject, to: JsonObject): JsonObject {
  const patch: JsonObject = {}
  for (const key of Object.keys(to)) if (!Object.hasOwn(from, key)) patch[key] = null
  for (const [key, value] of Object.entries(from)) {
    const now = Object.hasOwn(to, key) ? to[key] : undefined
    if (equalJson(value, now)) continue
    patch[key] = isObject(value) && isObject(now) ? inversePatch(value, now) : value
  }
  return patch
}

/** Deep equality of JSON values. The order of keys doesn't count. */
export function equalJson(a: unknown, b: unknown): boolean {
  if (a === b) return true
  if (Array.isArray(a))
    return Array.isArray(b) && a.length === b.length && a.every((item, i) => equalJson(item, b[i]))
  if (!isObject(a) || !isObject(b)) return false
  const keys = Object.keys(a)
  return (
    keys.length === Object.keys(b).length &&
    keys.every((key) => Object.hasOwn(b, key) && equalJson(a[key], b[key]))
  )
}
