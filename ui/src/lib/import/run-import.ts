// Runs one import: sends one request after the other and adds up their results, until everything is
// sent or somebody stops the import.
import { isRetryable } from '@lockstep/client'
import type { ExportFile } from '@lockstep/imports/cutting/export-file'
import { requestBatches, type RequestBatch } from '@lockstep/imports/cutting/request-batches'
import { Fault } from '@lockstep/protocol/errors'
import type { ImportFailure, ImportSource } from '@lockstep/protocol/import'
import type { Answer, Asking } from '@lockstep/protocol/rest'

type Result = Answer<'importMe'>

export interface ImportRun {
  source: ImportSource
  dry_run: boolean
  send: (body: Asking<'importMe'>['body']) => Promise<Result>
  /** Ends the import after the current request. */
  stop: AbortSignal
  /** Called after each request. */
  progress: (now: ImportProgress) => void
  sleep?: (ms: number) => Promise<void>
}

/** What has been imported since the beginning. */
export interface ImportProgress {
  result: Result
  items: number
  /** Bytes of the files. */
  bytes: number
}

const MAX_TRIES = 5
const RETRY_MS = 2_000
/** A server that asks for more patience has no room for this import today (ms). */
export const MAX_PATIENCE_MS = 5 * 60_000
const wait = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))

/**
 * Returns true when everything has been sent, and false if the import was stopped. Throws
 * `invalid`, naming the file, for what can't be read, and the fault of a request that keeps
 * failing. Running the import again is safe in each case.
 */
export async function runImport(files: readonly ExportFile[], run: ImportRun): Promise<boolean> {
  const { source, stop, progress } = run
  const result: Result = { created: 0, updated: 0, skipped: 0, failed: [] }
  let items = 0
  for await (const batch of requestBatches(source, files)) {
    if (stop.aborted) return false
    const { created, updated, skipped, failed, incomplete = [] } = await sendBatch(batch, run)
    result.created += created
    result.updated += updated
    result.skipped += skipped
    result.failed.push(...failed.map((failure) => renumber(failure, batch.first)))
    if (incomplete.length > 0) result.incomplete = [...(result.incomplete ?? []), ...incomplete]
    items += created + updated + skipped + failed.length
    progress({ result: { ...result, failed: [...result.failed] }, items, bytes: batch.bytes })
  }
  return true
}

/** The server numbers items without a name from the beginning of a request. */
function renumber(failure: ImportFailure, first: number): ImportFailure {
  if (failure.number === undefined) return failure
  const number = failure.number + first
  return { ...failure, number, item: `item ${number}` }
}

async function sendBatch(
  { data }: RequestBatch,
  { source, dry_run, send, stop, sleep = wait }: ImportRun,
): Promise<Result> {
  if (data === undefined) {
    const failed = [{ item: 'item 1', number: 1, reason: 'too_large', code: 'too_large' as const }]
    return { created: 0, updated: 0, skipped: 0, failed }
  }
  for (let left = MAX_TRIES; ; left--) {
    try {
      return await send({ source, data, dry_run })
    } catch (error) {
      if (left === 1 || !isRetryable(error) || stop.aborted) throw error
      const wait = error instanceof Fault ? (error.extra.retry_after_ms ?? RETRY_MS) : RETRY_MS
      if (wait > MAX_PATIENCE_MS) throw error
      await sleep(wait)
    }
  }
}
