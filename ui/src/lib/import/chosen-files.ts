// The files that a person chose to import, or data of the page itself, as export files.
import type { ExportFile } from '@lockstep/imports/cutting/export-file'
import { exportFilesIn } from '@lockstep/imports/cutting/export-files'
import { UnreadableFile } from '@lockstep/imports/cutting/unreadable-file'

const loadZip = async () => {
  // importing only these two names keeps the rest of the library out of the page
  const { BlobReader, ZipReader } = await import('@zip.js/zip.js/lib/zip-core-native.js')
  return { BlobReader, ZipReader }
}

export interface ChosenFiles {
  files: ExportFile[]
  /** The chosen files that hold no conversations. */
  leftOut: UnreadableFile[]
  /** The names of files in chosen archives that aren't conversations. */
  unread: string[]
}

/**
 * Unpacks archives and keeps the order of the files. Files without conversations are left out
 * beside others. Throws an `UnreadableFile`.
 */
export async function exportFilesOf(chosen: readonly File[]): Promise<ChosenFiles> {
  const files: ExportFile[] = []
  const leftOut: UnreadableFile[] = []
  const unread: string[] = []
  for (const file of chosen)
    try {
      const found = await exportFilesIn(file, file.name, loadZip)
      files.push(...found.files)
      unread.push(...found.leftOut)
    } catch (error) {
      if (!(error instanceof UnreadableFile && error.isEmpty)) throw error
      leftOut.push(error)
    }
  if (files.length === 0 && leftOut[0]) throw leftOut[0]
  return { files, leftOut, unread }
}

export function toExportFile(name: string, value: unknown): ExportFile {
  const json = new Blob([JSON.stringify(value)])
  return { name, size: json.size, stream: () => json.stream() }
}
