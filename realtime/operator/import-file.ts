// Imports a file of any size into an account. The file, or what an archive holds, is read as a
// stream, item by item, in this process.
import { openAsBlob } from 'node:fs'
import { access } from 'node:fs/promises'
import { ExportCutter } from '@lockstep/imports/cutting/export-cutter'
import type { ExportFile } from '@lockstep/imports/cutting/export-file'
import { exportFilesIn } from '@lockstep/imports/cutting/export-files'
import { createFragmentReader } from '@lockstep/imports/reading/fragment-reader'
import type { NormalizedItem } from '@lockstep/imports/reading/normalize'
import type { ImportSource } from '@lockstep/protocol/import'
import type { Answer } from '@lockstep/protocol/rest'
import type { ImportUseCases } from '../commands/import/import.ts'
import { derivedId } from '../log/derived-id.ts'
import type { Caller } from '../log/entry.ts'

export interface FileImport {
  caller: Caller
  source: ImportSource
  dry_run: boolean
  /** Ends the import between two items. */
  stop: AbortSignal
  /** Called about once a second: how many items and bytes of `size` bytes have been read. */
  progress: (items: number, bytes: number, size: number) => void
  /** Called with the names of the files in an archive that aren't imported, if there are any. */
  leftOut: (names: readonly string[]) => void
}

const PROGRESS_MS = 1_000
const loadZip = () => import('@zip.js/zip.js/lib/zip-core-native.js')

/** Throws `invalid` for what isn't JSON or not of its source. Items before that stay imported. */
export async function importFile(
  imports: ImportUseCases,
  path: string,
  { caller, source, dry_run, stop, progress, leftOut }: FileImport,
): Promise<Answer<'importMe'>> {
  // if a file can't be read, the error of `access` explains why better than that of `openAsBlob`
  await access(path)
  const found = await exportFilesIn(await openAsBlob(path), 'The file', loadZip)
  const { files } = found
  if (found.leftOut.length > 0) leftOut(found.leftOut)
  const size = files.reduce((sum, file) => sum + file.size, 0)
  let [items, bytes, lastProgress] = [0, 0, performance.now()]
  const reading = readItems(files, source, (read) => (bytes += read))
  const next = async () => {
    if (performance.now() - lastProgress > PROGRESS_MS) {
      lastProgress = performance.now()
      progress(items, bytes, size)
    }
    items++
    return (await reading.next()).value
  }
  return imports.importItems(caller, dry_run, next, { stop })
}

async function* readItems(
  files: readonly ExportFile[],
  source: ImportSource,
  onBytes: (count: number) => void,
): AsyncGenerator<NormalizedItem, undefined> {
  const itemsOf = createFragmentReader(source, derivedId)
  for (const file of files) {
    const cutter = new ExportCutter(source)
    for await (const chunk of file.stream()) {
      onBytes(chunk.length)
      for (const fragment of cutter.push(chunk)) yield* itemsOf(fragment)
    }
    for (const fragment of cutter.end()) yield* itemsOf(fragment)
  }
  return undefined
}
