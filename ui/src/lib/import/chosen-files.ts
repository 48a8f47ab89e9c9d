// The files that a person chose to import, or data of the page itself, as export files.
import type { ExportFile } from '@lockstep/imports/cutting/export-file'
import { exportFilesIn, NoConversations } from '@lockstep/imports/cutting/export-files'

const loadZip = async () => {
  // importing only these two names keeps the rest of the library out of the page
  const { BlobReader, ZipReader } = await import('@zip.js/zip.js/lib/zip-core-native.js')
  return { BlobReader, ZipReader }
}

export interface ChosenFiles {
  files: ExportFile[]
  /** Why some of the chosen files are left out. */
  leftOut: string[]
}

/**
 * Unpacks archives and keeps the order of the files. Files without conversations are left out
 * beside others. Throws `invalid`, naming the file at fault.
 */
export async function exportFilesOf(chosen: readonly File[]): Promise<ChosenFiles> {
  const files: ExportFile[] = []
  const empty: NoConversations[] = []
  for (const file of chosen)
    try {
      files.push(...(await exportFilesIn(file, file.name, loadZip)))
    } catch (error) {
      if (!(error instanceof NoConversations)) throw error
      empty.push(error)
    }
  if (files.length === 0 && empty[0]) throw empty[0]
  return { files, leftOut: empty.map(({ message }) => message) }
}

export function toExportFile(name: string, value: unknown): ExportFile {
  const json = new Blob([JSON.stringify(value)])
  return { name, size: json.size, stream: () => json.stream() }
}
