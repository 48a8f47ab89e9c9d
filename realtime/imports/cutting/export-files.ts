// Finds the JSON in a file that a person chose: the file itself, or what a ZIP archive holds.
// Nothing is read before it is needed, so neither the size nor the number of the files matters. The
// caller passes the library that reads archives, and loads it only if there is an archive.
import { Fault } from '@lockstep/protocol/errors'

/** One JSON value in UTF-8. */
export interface ExportFile {
  /** A name that the person recognizes. */
  name: string
  /** In bytes. */
  size: number
  stream(): ReadableStream<Uint8Array>
}

/** What is needed of a library for archives, which has to support ZIP64. */
interface ZipLibrary {
  BlobReader: new (file: Blob) => object
  ZipReader: new (
    reader: never,
    options: typeof withoutWorkers,
  ) => {
    getEntries(): Promise<ZipEntry[]>
  }
}

interface ZipEntry {
  filename: string
  uncompressedSize: number
  getData?: (into: WritableStream, options: { checkSignature: true }) => Promise<unknown>
}

/** The library starts its workers from text, which the page's Content-Security-Policy forbids. */
const withoutWorkers = { useWebWorkers: false }

/** How exports name the files with conversations. A large export has several, with numbers. */
const conversationFileName = /(^|\/)conversations(-\d+)?\.json$/
/** The first bytes of each ZIP archive. */
const ZIP_SIGNATURE = 'PK'

/**
 * Returns the file itself, or the files with conversations in an archive, ordered by name. Throws
 * `invalid`, naming the file, if the archive is damaged or holds no conversations.
 */
export async function exportFilesIn(
  file: Blob,
  name: string,
  loadZip: () => Promise<ZipLibrary>,
): Promise<ExportFile[]> {
  if ((await file.slice(0, ZIP_SIGNATURE.length).text()) !== ZIP_SIGNATURE)
    return [{ name, size: file.size, stream: () => file.stream() }]
  const { BlobReader, ZipReader } = await loadZip()
  const entries = await new ZipReader(new BlobReader(file) as never, withoutWorkers)
    .getEntries()
    .catch((error: unknown) => {
      throw new Fault('invalid', { detail: `${name} is not a complete ZIP archive` }, error)
    })
  const wanted = entries.filter(({ filename }) => conversationFileName.test(filename))
  if (wanted.length === 0)
    throw new Fault('invalid', { detail: `${name} contains no conversations.json` })
  wanted.sort((a, b) => a.filename.localeCompare(b.filename, 'en', { numeric: true }))
  return wanted.map((entry) => ({
    name: `${entry.filename} in ${name}`,
    size: entry.uncompressedSize,
    stream: () => unpack(entry),
  }))
}

function unpack(entry: ZipEntry): ReadableStream<Uint8Array> {
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>()
  entry.getData!(writable, { checkSignature: true }).catch((error: unknown) =>
    writable.abort(error).catch(() => undefined),
  )
  return readable
}
