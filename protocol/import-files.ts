// What people choose to import, file by file: JSON as it is, or an archive that holds it. Nothing is read before somebody asks for it, so that
// neither size nor number matters. The library that reads archives is loaded by the caller, and only when there is one.
import { Fault } from './errors.ts'

/** One JSON value in UTF-8. */
export interface ExportFile {
  /** As a person knows it. */
  name: string
  /** Bytes. */
  size: number
  stream(): ReadableStream<Uint8Array>
}

/** What is needed of a library for archives; it has to know ZIP64. */
interface Zip {
  BlobReader: new (file: Blob) => object
  ZipReader: new (reader: never, options: typeof inThisThread) => { getEntries(): Promise<Entry[]> }
}

interface Entry {
  filename: string
  uncompressedSize: number
  getData?: (into: WritableStream, options: { checkSignature: true }) => Promise<unknown>
}

/** Pages of ours can't start the workers that a library brings along as text. */
const inThisThread = { useWebWorkers: false }

/** How exports name the files with conversations; a large one has several, with numbers. */
const inArchives = /(^|\/)conversations(-\d+)?\.json$/
const ARCHIVE = 'PK'

/** The JSON in a file: itself, or what an archive holds, in order of its names. Throws `invalid`, with the file's name, when there is none. */
export async function exportFilesIn(
  file: Blob,
  name: string,
  loadZip: () => Promise<Zip>,
): Promise<ExportFile[]> {
  if ((await file.slice(0, ARCHIVE.length).text()) !== ARCHIVE)
    return [{ name, size: file.size, stream: () => file.stream() }]
  const { BlobReader, ZipReader } = await loadZip()
  const entries = await new ZipReader(new BlobReader(file) as never, inThisThread)
    .getEntries()
    .catch((error: unknown) => {
      throw new Fault('invalid', { detail: `${name} is not a complete ZIP archive` }, error)
    })
  const wanted = entries.filter(({ filename }) => inArchives.test(filename))
  if (wanted.length === 0)
    throw new Fault('invalid', { detail: `${name} holds no conversations.json` })
  wanted.sort((a, b) => a.filename.localeCompare(b.filename, 'en', { numeric: true }))
  return wanted.map((entry) => ({
    name: `${entry.filename} in ${name}`,
    size: entry.uncompressedSize,
    stream: () => unpacked(entry),
  }))
}

function unpacked(entry: Entry): ReadableStream<Uint8Array> {
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>()
  entry.getData!(writable, { checkSignature: true }).catch((error: unknown) =>
    writable.abort(error).catch(() => undefined),
  )
  return readable
}
