// The text of a message that has none of its own: the names of its files, pictures and tool calls,
// so that neither people nor models meet an empty message.
import { isObject } from '@lockstep/protocol/free-form'
import { firstCharacters } from '@lockstep/protocol/text'
import { listOf, textOf, type Fields } from './foreign-values.ts'

const MAX_LABELS = 10
const MAX_NAME = 80

/** Undefined if there is nothing to name. */
export function labelOf(...things: readonly unknown[]): string | undefined {
  const objects = things.flatMap(listOf).filter(isObject)
  // what has nothing but a type is named only if there is nothing else
  const telling = objects.filter((thing) => Object.keys(thing).some((key) => key !== 'type'))
  const labels = new Set<string>()
  for (const thing of telling.length > 0 ? telling : objects) {
    if (labels.size === MAX_LABELS) break
    labels.add(labelOfOne(thing))
  }
  return labels.size > 0 ? [...labels].join(' ') : undefined
}

const typeNames = [
  'type',
  'content_type',
  'mime',
  'mimeType',
  'mime_type',
  'media_type',
  'file_type',
]
const nameNames = ['name', 'filename', 'file_name', 'title']

function labelOfOne(thing: Fields): string {
  const types = typeNames.map((name) => textOf(thing[name]) ?? '').join(' ')
  const name = nameIn(thing) ?? Object.values(thing).map(nameIn).find(Boolean)
  const kind = kindOf(types, name, textOf(thing.type))
  return name === undefined ? `[${kind}]` : `[${kind}: ${name}]`
}

function nameIn(value: unknown): string | undefined {
  if (!isObject(value)) return undefined
  const name = nameNames.map((each) => textOf(value[each])).find(Boolean)
  return name && firstCharacters(name.replaceAll(/\s+/g, ' ').trim(), MAX_NAME)
}

function kindOf(types: string, name: string | undefined, type = 'file'): string {
  if (/image|picture|photo/i.test(types)) return 'Image'
  if (/audio|voice/i.test(types)) return 'Audio'
  if (/video/i.test(types)) return 'Video'
  if (/tool|function/i.test(types)) return 'Tool'
  const isFile = /file|document|attachment|hash|base64|\//i.test(type)
  if (name !== undefined && isFile) return 'File'
  const words = types.trim().replaceAll(/[_/\s-]+/g, ' ')
  return words === '' ? 'Attachment' : firstCharacters(words, MAX_NAME)
}

/** A kind of content that has no text, such as `computer_output`. */
export const kindLabel = (type: string): string =>
  `[${firstCharacters(type.replaceAll(/[_\s-]+/g, ' ').trim(), MAX_NAME)}]`
