// One import from the first item to the last, or to where somebody stops it: request after request, their results in one.
import { Fault } from '@lockstep/protocol/errors'
import type { Part } from '@lockstep/protocol/import-files'
import type { ImportSource } from '@lockstep/protocol/owner'
import type { Answer, Asking } from '@lockstep/protocol/rest'
import { isRetryable } from '@lockstep/client'
import { batchesOf, type Batch } from './batches.ts'

type Result = Answer<'importMe'>

export interface Importing {
  source: ImportSource
  dry_run: boolean
  send: (body: Asking<'importMe'>['body']) => Promise<Result>
  /** Ends it after the request that is under way. */
  stop: AbortSignal
  /** After each request: what it was up to there. */
  progress: (now: Progress) => void
  sleep?: (ms: number) => Promise<void>
}

export interface Progress {
  /** Of everything up to here. */
  result: Result
  items: number
  bytes: number
}

const TRIES = 5
const RETRY_MS = 2_000
const wait = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))

/** True when all of it is through, false when it was stopped. Throws what can't be read and what a request fails of; repeating is safe. */
export async function importParts(parts: readonly Part[], importing: Importing): Promise<boolean> {
  const { source, stop, progress } = importing
  const result: Result = { created: 0, updated: 0, skipped: 0, failed: [] }
  let items = 0
  for await (const batch of batchesOf(source, parts)) {
    if (stop.aborted) return false
    const { created, updated, skipped, failed } = await sent(batch, importing)
    result.created += created
    result.updated += updated
    result.skipped += skipped
    result.failed.push(
      ...failed.map(({ item, reason }) => ({ item: numbered(item, batch.first), reason })),
    )
    items += created + updated + skipped + failed.length
    progress({ result: { ...result, failed: [...result.failed] }, items, bytes: batch.bytes })
  }
  return true
}

/** Items without a name have a number, which the server counts from the beginning of a request. */
const numbered = (item: string, first: number): string =>
  item.replace(/^item (\d+)$/, (_, number: string) => `item ${Number(number) + first}`)

async function sent(
  { data }: Batch,
  { source, dry_run, send, stop, sleep = wait }: Importing,
): Promise<Result> {
  if (data === undefined)
    return {
      created: 0,
      updated: 0,
      skipped: 0,
      failed: [{ item: 'item 1', reason: 'It is too large to be read' }],
    }
  for (let left = TRIES; ; left--) {
    try {
      return await send({ source, data, dry_run })
    } catch (error) {
      if (left === 1 || !isRetryable(error) || stop.aborted) throw error
      await sleep(error instanceof Fault ? (error.extra.retry_after_ms ?? RETRY_MS) : RETRY_MS)
    }
  }
}
