// Reads one fragment of an export after the other: parses its JSON, parses its items, normalizes
// them.
import { Fault } from '@lockstep/protocol/errors'
import type { ImportFailureCode, ImportSource } from '@lockstep/protocol/import'
import { limits } from '@lockstep/protocol/limits'
import type { Fragment } from '../cutting/fragment.ts'
import { malformedJson } from '../cutting/json-scanner.ts'
import { byNumber } from '../parsing/conversation-list.ts'
import { parsers } from '../sources/parsers.ts'
import { normalizeItem, type DeriveId, type NormalizedItem } from './normalize.ts'

/**
 * Returns a function that reads an export's fragments in their order. It throws `invalid` for a
 * fragment that isn't JSON, and if the first fragment isn't of this source. A later fragment of
 * another source is one failed item instead, because earlier items may have been imported already.
 */
export function createFragmentReader(
  source: ImportSource,
  deriveId: DeriveId,
): (fragment: Fragment) => Iterable<NormalizedItem> {
  const now = new Date().toISOString()
  let isFirst = true
  return function* (fragment) {
    if (fragment.isTooLarge) return void (yield failed(fragment, 'too_large', TOO_LARGE))
    const value = parseFragment(fragment)
    try {
      for (const item of parsers[source](value, fragment.index))
        yield normalizeItem(item, { source, now, deriveId })
    } catch (error) {
      if (isFirst || !(error instanceof Fault)) throw error
      yield failed(fragment, 'wrong_source', error.message)
    }
    isFirst = false
    return undefined
  }
}

const TOO_LARGE = `It is too large: a conversation may have ${limits.importItemBytes / 1024 ** 2} MB and 100,000 messages`

const failed = ({ index }: Fragment, code: ImportFailureCode, reason: string): NormalizedItem => ({
  kind: 'failed',
  ...byNumber(index),
  reason,
  code,
})

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

export const parseFragment = ({ open, text, close }: Fragment): unknown =>
  parseJson(text, open, close)

/** Parses JSON in UTF-8, with this text before and after it. Throws `invalid`. */
export function parseJson(text: Uint8Array, before = '', after = ''): unknown {
  try {
    return JSON.parse(before + utf8.decode(text) + after) as unknown
  } catch {
    throw malformedJson()
  }
}
