// Long texts that a person pasted, and documents that a product turned into text, are files of a
// message. Their text belongs to what the person said: without it, the answer makes no sense.
import { isObject } from '@lockstep/protocol/free-form'
import type { FieldReader } from './field-reader.ts'
import { isEmpty, textOf, type Fields } from './foreign-values.ts'

/** The names of the fields in which files have their text. */
const textNames = ['extracted_content', 'text', 'content']
/** The names of the fields that hold an object with the text. */
const innerNames = ['file', 'data']
/** How deep objects in a file are looked into: `file.data.content`. */
const MAX_DEPTH = 4

/** Takes the texts of the files in these fields, in order. What else files have stays. */
export function takePastedTexts(reader: FieldReader, ...names: readonly string[]): string[] {
  const texts: string[] = []
  for (const name of names) {
    const list = reader.peek(name)
    if (!Array.isArray(list)) continue
    const rest = list.map((file: unknown) => {
      const found = isObject(file) ? takeText(file, MAX_DEPTH) : undefined
      if (!found) return file
      texts.push(found.text)
      return found.rest
    })
    reader.replace(
      name,
      rest.filter((file) => !isEmpty(file)),
    )
  }
  return texts
}

function takeText(file: Fields, depth: number): { text: string; rest: Fields } | undefined {
  if (depth === 0) return undefined
  for (const name of textNames) {
    const { [name]: text, ...rest } = file
    if (typeof text === 'string' && text.trim() !== '' && !text.startsWith('data:'))
      return { text: textOf(text)!, rest }
  }
  for (const name of innerNames) {
    const { [name]: value, ...others } = file
    const inner = isObject(value) ? takeText(value, depth - 1) : undefined
    if (inner) return { text: inner.text, rest: { ...others, [name]: inner.rest } }
  }
  return undefined
}
