// The web pages and files that an answer names as its sources.
import { isObject } from '@lockstep/protocol/free-form'
import { firstCharacters } from '@lockstep/protocol/text'
import { firstOf, textOf } from './foreign-values.ts'

/** It has an address, a title or both. */
export interface SourceLink {
  /** http or https. */
  url?: string
  title?: string
}

const MAX_LINKS = 100
const MAX_URL = 2_000
const MAX_TITLE = 300

/** Finds the sources in what a product keeps about them, in their order and each of them once. */
export function linksIn(value: unknown): SourceLink[] {
  const links = new Map<string, SourceLink>()
  const stack: unknown[] = [value]
  while (stack.length > 0 && links.size < MAX_LINKS) {
    const next = stack.pop()
    if (typeof next !== 'object' || next === null) continue
    if (isObject(next)) {
      const url = [next.url, next.link, next.uri, next.source].find(isWebAddress)
      const name = textOf(firstOf(next, 'title', 'name', 'file_name', 'filename'))
      const title = name && firstCharacters(name.trim(), MAX_TITLE)
      const isFile = isFileReference(next)
      const key = url ?? (isFile ? title : undefined)
      const known = key === undefined ? undefined : links.get(key)
      if (key !== undefined && !known?.title)
        links.set(key, { ...(url !== undefined && { url }), ...(title && { title }) })
    }
    // one by one: a call may not have as many arguments as a list has elements
    for (const inner of Object.values(next).reverse()) stack.push(inner)
  }
  return [...links.values()]
}

const isWebAddress = (value: unknown): value is string =>
  typeof value === 'string' &&
  value.length <= MAX_URL &&
  /^https?:\/\/\S+$/.test(value) &&
  value.isWellFormed()

const isFileReference = (fields: Record<string, unknown>): boolean =>
  fields.type === 'file' || fields.type === 'file_search' || 'file_name' in fields
