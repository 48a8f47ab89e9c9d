// Reads the fields of one object of an export. What a parser takes becomes part of the result.
// Everything else is the rest, which is kept as metadata. So nothing is lost because a parser
// doesn't know it.
import { isObject } from '@lockstep/protocol/free-form'
import { limits } from '@lockstep/protocol/limits'
import type { Message } from '@lockstep/protocol/message'
import { isEmpty, roleOf, separateText, textOf, timeOf, type Fields } from './foreign-values.ts'

/** A method that returns nothing takes nothing. */
export class FieldReader {
  readonly #fields: Fields
  readonly #taken = new Set<string>()

  /** A value that isn't an object counts as one with the field `value`. */
  constructor(value: unknown) {
    this.#fields = isObject(value) ? { ...value } : { value }
  }

  /** Looks at a field without taking it. */
  peek(name: string): unknown {
    return this.#fields[name]
  }

  take(name: string): unknown {
    this.#taken.add(name)
    return this.#fields[name]
  }

  /** The text of the first of these fields that has one. */
  takeText(...names: string[]): string | undefined {
    const name = names.find((name) => (textOf(this.#fields[name]) ?? '') !== '')
    return name === undefined ? undefined : textOf(this.take(name))
  }

  /**
   * Takes a title. A title that is too long also stays in the rest, because its end will be cut
   * off.
   */
  takeTitle(...names: string[]): string | undefined {
    const name = names.find((name) => (textOf(this.#fields[name]) ?? '') !== '')
    const title = name === undefined ? undefined : textOf(this.#fields[name])
    if (name !== undefined && title!.length <= limits.titleMax) this.take(name)
    return title
  }

  /** Takes a field whose text is this one. */
  takeEqual(name: string, text: string | undefined): void {
    if (text !== undefined && textOf(this.#fields[name]) === text) this.take(name)
  }

  /** The first of these fields that is a time. */
  takeTime(...names: string[]): string | undefined {
    const name = names.find((name) => timeOf(this.#fields[name]) !== undefined)
    return name === undefined ? undefined : timeOf(this.take(name))
  }

  /** True if one of these fields is true. Takes the fields that are true or false. */
  takeFlag(...names: string[]): boolean {
    const flags = names.filter((name) => typeof this.#fields[name] === 'boolean')
    return flags.map((name) => this.take(name)).includes(true)
  }

  /** The role of a name that is known. Any other name, such as that of a model, is left. */
  takeRole(...names: string[]): Message['role'] {
    const name = names.find((name) => roleOf(this.#fields[name]))
    return (name === undefined ? undefined : roleOf(this.take(name))) ?? 'assistant'
  }

  /** The key of another message. It is taken only if there is such a message. */
  takeLink(name: string, known: ReadonlySet<string>): string | undefined {
    const key = textOf(this.#fields[name])
    if (key !== undefined && known.has(key)) this.take(name)
    return key
  }

  /** Takes a list of the keys of other messages. */
  takeLinks(name: string, known: ReadonlySet<string>): string[] {
    const value = this.#fields[name]
    const list: unknown[] = Array.isArray(value) ? value : []
    const keys = list.map(textOf).filter((key) => key !== undefined && known.has(key))
    if (Array.isArray(value) && keys.length === value.length) this.take(name)
    return keys as string[]
  }

  /**
   * Takes the text of the first of these fields that has one, whole or in parts. Parts that aren't
   * text stay.
   */
  takeContent(...names: string[]): string {
    for (const name of names) {
      const { text, rest } = separateText(this.#fields[name])
      // a list of empty texts says nothing either
      if (text !== '' || rest === undefined) this.replace(name, rest)
      if (text !== '') return text
    }
    return ''
  }

  /** Takes a field and leaves `rest` in its place. */
  replace(name: string, rest: unknown): void {
    if (isEmpty(rest)) this.#taken.add(name)
    else this.#fields[name] = rest
  }

  /** What nobody took. */
  rest(): Fields {
    const entries = Object.entries(this.#fields)
    return Object.fromEntries(
      entries.filter(([name, value]) => !this.#taken.has(name) && !isEmpty(value)),
    )
  }
}

/**
 * The fields of several objects as those of one. A name that an earlier object has already gets the
 * name of its object in front.
 */
export function mergeFields(...objects: readonly [name: string, fields: Fields][]): Fields {
  const merged = new Map<string, unknown>()
  for (const [origin, fields] of objects)
    for (const [name, value] of Object.entries(fields)) {
      let unique = name
      while (merged.has(unique)) unique = `${origin}_${unique}`
      merged.set(unique, value)
    }
  return Object.fromEntries(merged)
}
