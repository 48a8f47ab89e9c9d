// What an import makes of an export, without an account to import it into.
import { normalizeItem, type NormalizedItem } from '@lockstep/imports/reading/normalize'
import { parsers } from '@lockstep/imports/sources/parsers'
import type { ParsedItem } from '@lockstep/imports/parsing/parsed-item'
import { branchOf } from '@lockstep/protocol/branch'
import type { ImportSource } from '@lockstep/protocol/import'
import { derivedId } from '../../realtime/log/derived-id.ts'

/** The time of the import. */
export const NOW = '2026-06-01T00:00:00.000Z'

export const normalized = (source: ImportSource, item: ParsedItem): NormalizedItem =>
  normalizeItem(item, { source, now: NOW, deriveId: derivedId })

export const itemsIn = (source: ImportSource, data: unknown): NormalizedItem[] =>
  [...parsers[source](data)].map((item) => normalized(source, item))

/** The conversations of an export, each with the contents of its open thread. */
function conversationsIn(source: ImportSource, data: unknown) {
  return itemsIn(source, data).map((item) => {
    if (item.kind !== 'conversation') throw new Error(JSON.stringify(item))
    const messages = item.slices.flat()
    const thread = branchOf(messages).map(({ content }) => content)
    return { ...item.summary, messages, thread, missing: item.missing }
  })
}

export const firstConversationIn = (source: ImportSource, data: unknown) =>
  conversationsIn(source, data)[0]!
