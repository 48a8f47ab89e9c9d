// Parses exports that are lists of conversations, and reports what can't be parsed.
import { Fault } from '@lockstep/protocol/errors'
import { isObject } from '@lockstep/protocol/free-form'
import { firstOf, listOf, textOf, type Fields } from './foreign-values.ts'
import type { FailedItem, ParsedConversation, ParsedItem } from './parsed-item.ts'

/**
 * Parses an export that is a list of conversations, a single conversation, or an object with a list
 * under `conversations`. A conversation that `parse` doesn't recognize becomes a failed item.
 * Throws `invalid` for data of any other shape.
 */
export function* parseConversations(
  data: unknown,
  parse: (fields: Fields) => ParsedConversation | undefined,
  first = 0,
): Iterable<ParsedItem> {
  const list = isObject(data) && Array.isArray(data.conversations) ? data.conversations : data
  if (!isObject(list) && !Array.isArray(list)) throw notThisSource()
  for (const [offset, item] of listOf(list).entries()) {
    const index = first + offset
    yield parseItem(item, index, () => {
      const conversation = isObject(item) ? parse(item) : undefined
      if (conversation) return { kind: 'conversation', conversation }
      return {
        kind: 'failed',
        ...nameOf(item, index),
        reason: 'This is not a conversation of that product',
        code: 'not_a_conversation',
      }
    })
  }
}

/** An item whose shape nobody foresaw, so that its parser throws, becomes a failed item. */
export function parseItem(item: unknown, index: number, parse: () => ParsedItem): ParsedItem {
  try {
    return parse()
  } catch {
    return {
      kind: 'failed',
      ...nameOf(item, index),
      reason: 'This could not be read',
      code: 'unreadable',
    }
  }
}

export function notThisSource(): Fault {
  const message = 'is not what that product exports'
  return new Fault('invalid', { detail: `data ${message}`, issues: [{ path: 'data', message }] })
}

/** What a person would call an item: its title, or its number. */
export function nameOf(item: unknown, index: number): Pick<FailedItem, 'item' | 'number'> {
  const name = isObject(item)
    ? textOf(firstOf(item, 'title', 'name', 'id', '_id', 'uuid'))
    : undefined
  return name === undefined || name === ''
    ? byNumber(index)
    : { item: name.slice(0, 100).toWellFormed() }
}

/** An item without a name, by its index from 0. */
export const byNumber = (index: number): Required<Pick<FailedItem, 'item' | 'number'>> => ({
  item: `item ${index + 1}`,
  number: index + 1,
})
