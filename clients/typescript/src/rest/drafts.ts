// REST calls for drafts.
import type { Draft } from '@lockstep/protocol/drafts'
import type { Call } from './call.ts'

/** All drafts, page by page. */
export async function listDrafts(call: Call): Promise<Draft[]> {
  const drafts: Draft[] = []
  for (let cursor: string | undefined; ;) {
    const page = await call('listDrafts', { query: { limit: 200, cursor } })
    drafts.push(...page.items)
    if (page.next_cursor === null) return drafts
    cursor = page.next_cursor
  }
}

/** One draft. Throws `not_found`. */
export const getDraft = (call: Call, id: string) => call('getDraft', { params: { id } })
