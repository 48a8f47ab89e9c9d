// REST reads of records. The commands go through the outbox, over sockets.
import { Fault } from '@lockstep/protocol/errors'
import type { StoredRecord } from '@lockstep/protocol/records'
import type { Call } from './call.ts'

/** The most that a page may have. */
const PAGE_LIMIT = 200

/** All records of a kind, ordered by id, with the head of the topic as of the first page. */
export async function readRecords(
  call: Call,
  kind: string,
  put: (record: StoredRecord) => void,
): Promise<{ epoch: string; seq: number }> {
  let first: { epoch: string; seq: number } | undefined
  for (let cursor: string | undefined; ;) {
    const page = await call('listRecords', {
      params: { kind },
      query: { limit: PAGE_LIMIT, ...(cursor !== undefined && { cursor }) },
    })
    first ??= { epoch: page.epoch, seq: page.seq }
    page.items.forEach(put)
    if (page.next_cursor === null) return first
    cursor = page.next_cursor
  }
}

/** A record whose kind is one of these. Throws `not_found`. */
export async function getRecord(
  call: Call,
  kinds: readonly string[],
  id: string,
): Promise<StoredRecord> {
  for (const kind of kinds)
    try {
      return await call('getRecord', { params: { kind, id } })
    } catch (error) {
      if (!(error instanceof Fault && error.code === 'not_found')) throw error
    }
  throw new Fault('not_found', { detail: 'There is no such record' })
}
