// The files that a person chose to import, or data of the page itself, as export files.
import { exportFilesIn, type ExportFile } from '@lockstep/imports/cutting/export-files'

const loadZip = async () => {
  // importing only these two names keeps the rest of the library out of the page
  const { BlobReader, ZipReader } = await import('@zip.js/zip.js/lib/zip-core-native.js')
  return { BlobReader, ZipReader }
}

/**
 * Unpacks archives and keeps the order of the files. Throws `invalid`, naming the file at fault.
 */
export async function exportFilesOf(files: readonly File[]): Promise<ExportFile[]> {
  return (await Promise.all(files.map((file) => exportFilesIn(file, file.name, loadZip)))).flat()
}

export function toExportFile(name: string, value: unknown): ExportFile {
  const json = new Blob([JSON.stringify(value)])
  return { name, size: json.size, stream: () => json.stream() }
}
