// Brings files of any size into an account, in this process: they are read as a stream, item by item, and so are those in an archive.
import { openAsBlob } from 'node:fs'
import { access } from 'node:fs/promises'
import { exportFilesIn, type ExportFile } from '@lockstep/imports/cutting/export-files'
import { ExportCutter } from '@lockstep/imports/cutting/export-cutter'
import type { ImportSource } from '@lockstep/protocol/import'
import type { Answer } from '@lockstep/protocol/rest'
import type { ImportUseCases } from '../commands/import/import.ts'
import { createFragmentReader } from '@lockstep/imports/reading/read-import'
import type { NormalizedItem } from '@lockstep/imports/reading/normalize'
import type { Caller } from '../log/entry.ts'

export interface FileImport {
  caller: Caller
  source: ImportSource
  dry_run: boolean
  /** Ends it between two items. */
  stop: AbortSignal
  /** From time to time: items and bytes that have been read, of so many bytes. */
  progress: (items: number, bytes: number, size: number) => void
}

const PROGRESS_MS = 1_000
const loadZip = () => import('@zip.js/zip.js/lib/zip-core-native.js')

/** Throws `invalid` for what isn't JSON or not of its source; what came before that is in. */
export async function importFile(
  imports: ImportUseCases,
  file: string,
  { caller, source, dry_run, stop, progress }: FileImport,
): Promise<Answer<'importMe'>> {
  await access(file) // says better why it can't be read
  const parts = await exportFilesIn(await openAsBlob(file), 'it', loadZip)
  const size = parts.reduce((sum, part) => sum + part.size, 0)
  let [items, bytes, told] = [0, 0, performance.now()]
  const reading = readAll(parts, source, (read) => (bytes += read))
  const next = async () => {
    if (performance.now() - told > PROGRESS_MS) {
      told = performance.now()
      progress(items, bytes, size)
    }
    items++
    return (await reading.next()).value
  }
  return imports.importItems(caller, dry_run, next, { stop })
}

async function* readAll(
  parts: readonly ExportFile[],
  source: ImportSource,
  onBytes: (count: number) => void,
): AsyncGenerator<NormalizedItem, undefined> {
  const itemsOf = createFragmentReader(source)
  for (const part of parts) {
    const cutter = new ExportCutter(source)
    for await (const chunk of part.stream()) {
      onBytes(chunk.length)
      for (const piece of cutter.push(chunk)) yield* itemsOf(piece)
    }
    for (const piece of cutter.end()) yield* itemsOf(piece)
  }
  return undefined
}
