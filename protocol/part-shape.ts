// The schema of parts.ts once more, without zod: a page checks what no server could, and zod would
// ask the browser for `eval`. A test compares both.
import { fitsMessage } from './encrypted-text.ts'
import { isDeeperThan, isObject } from './free-form.ts'
import * as limits from './limit-values.ts'
import type { Part } from './parts.ts'
import { hasAtMost } from './text.ts'

type Check = (value: unknown) => boolean
interface Shape {
  required: Record<string, Check>
  optional?: Record<string, Check>
}

const isText = (value: unknown): value is string =>
  typeof value === 'string' && value.isWellFormed()
const isMessageText: Check = (value) => isText(value) && fitsMessage(value)
const isCount: Check = (value) =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
const isWebAddress: Check = (value) =>
  isText(value) && /^https?:\/\//i.test(value) && URL.canParse(value)
const isId: Check = (value) => isText(value) && value !== '' && hasAtMost(value, limits.partIdMax)
/** Of a value that was read from JSON. */
const isJson: Check = (value) =>
  value !== undefined && !isDeeperThan(limits.jsonDepth, value) && hasWholeTexts(value)
const hasWholeTexts: Check = (value) =>
  typeof value === 'object' && value !== null
    ? Object.entries(value).every(([key, inner]) => isText(key) && hasWholeTexts(inner))
    : typeof value !== 'string' || value.isWellFormed()

const states: readonly unknown[] = ['calling', 'waiting_approval', 'done', 'failed', 'denied']
const shapes: Record<string, Shape> = {
  text: { required: { text: isMessageText } },
  reasoning: { required: { text: isMessageText }, optional: { ms: isCount } },
  tool: {
    required: {
      ...{ name: isText, call_id: isText, arguments: isJson },
      state: (value) => states.includes(value),
    },
    optional: { result: isJson },
  },
  file: {
    required: { name: isText, media_type: isText },
    optional: {
      ...{ file_id: isText, url: isText, bytes: isCount, width: isCount, height: isCount },
    },
  },
  source: { required: { url: isWebAddress }, optional: { title: isText } },
}
const data: Shape = { required: { value: isJson } }

function isPart(value: unknown): value is Part {
  if (!isObject(value) || typeof value.type !== 'string' || !isId(value.id)) return false
  const { id: _id, type, ...fields } = value
  const isData = new RegExp(`^data-.{1,${limits.partIdMax}}$`, 's').test(type)
  const shape = isData ? data : Object.hasOwn(shapes, type) ? shapes[type] : undefined
  if (!shape) return false
  const { required, optional = {} } = shape
  if (type === 'file' && fields.file_id === undefined && fields.url === undefined) return false
  return (
    Object.entries(required).every(([name, check]) => check(fields[name])) &&
    Object.entries(fields).every(
      ([name, field]) => Object.hasOwn(required, name) || optional[name]?.(field) === true,
    )
  )
}

/** Whether a value that was read from JSON has the form of a message's parts. */
export const areParts = (value: unknown): value is Part[] =>
  Array.isArray(value) &&
  value.length > 0 &&
  value.every(isPart) &&
  new Set(value.map(({ id }) => id)).size === value.length
