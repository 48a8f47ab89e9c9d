// Finds the JSON in a file that a person chose: the file itself, or what a ZIP archive holds, also
// in archives within it. Nothing is read before it is needed, so neither the size nor the number of
// the files matters. The caller passes the library that reads archives, and loads it only if there
// is an archive.
import { isObject } from '@lockstep/protocol/free-form'
import { detectSource } from '../sources/detect-source.ts'
import type { ExportFile } from './export-file.ts'
import { UnreadableFile } from './unreadable-file.ts'

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

/** How most exports name the files with conversations. A large export has several, with numbers. */
const conversationFileName = /(^|\/)conversations(-\d+)?\.json$/
/** The name of an archive within an archive, if it says that the archive holds conversations. */
const conversationArchiveName = /conversation[^/]*\.zip$/i
/** The first bytes of each ZIP archive. */
const ZIP_SIGNATURE = 'PK\u0003\u0004'
/** An archive without files has only its end. */
const EMPTY_ZIP_SIGNATURE = 'PK\u0005\u0006'
/** How deep archives in archives are opened. */
const MAX_ARCHIVE_DEPTH = 3
/** An archive within an archive is unpacked as a whole (bytes). */
const MAX_INNER_ARCHIVE_BYTES = 2 * 1024 ** 3
/** A larger file lists more than the files of an export (bytes). */
const MAX_INDEX_BYTES = 1_000_000

export interface FoundExport {
  /** The file itself, or the files with conversations in an archive, ordered by name. */
  files: ExportFile[]
  /** The names of the archive's other files, which nothing is read from. */
  leftOut: string[]
}

/** Throws an `UnreadableFile` if there are no conversations, and if an archive is damaged. */
export async function exportFilesIn(
  file: Blob,
  name: string,
  loadZip: () => Promise<ZipLibrary>,
): Promise<FoundExport> {
  if (!(await isArchive(file))) {
    const own = { name, size: file.size, stream: () => file.stream() }
    if (await isIndex(own)) throw new UnreadableFile('index_only', name)
    return { files: [own], leftOut: [] }
  }
  const { named, others, unread } = await filesIn(file, name, await loadZip(), MAX_ARCHIVE_DEPTH)
  const files = named.length > 0 ? named : await filesWithConversations(others)
  const left = others.filter((other) => !files.includes(other))
  if (files.length > 0) return { files, leftOut: [...left.map(({ name }) => name), ...unread] }
  for (const other of others)
    if (await isIndex(other)) throw new UnreadableFile('index_only', other.name)
  throw new UnreadableFile('no_conversations', name)
}

async function isArchive(file: Blob): Promise<boolean> {
  const start = await file.slice(0, ZIP_SIGNATURE.length).text()
  return start === ZIP_SIGNATURE || start === EMPTY_ZIP_SIGNATURE
}

interface FoundFiles {
  /** Files whose name says that they hold conversations. */
  named: ExportFile[]
  /** All other JSON files. */
  others: ExportFile[]
  /** The names of files that are neither JSON nor an archive that is opened. */
  unread: string[]
}

async function filesIn(
  archive: Blob,
  name: string,
  zip: ZipLibrary,
  depth: number,
): Promise<FoundFiles> {
  const entries = await new zip.ZipReader(new zip.BlobReader(archive) as never, withoutWorkers)
    .getEntries()
    .catch((error: unknown) => {
      throw new UnreadableFile('not_zip', name, error)
    })
  entries.sort((a, b) => a.filename.localeCompare(b.filename, 'en', { numeric: true }))
  const own = entries.filter(({ filename }) => !/^__MACOSX\/|\/$/.test(filename))
  const inner = depth === 0 ? [] : innerArchives(own)
  const isJson = ({ filename }: ZipEntry): boolean => /\.json$/i.test(filename)
  const files = own.filter(isJson).map((entry) => ({
    name: `${entry.filename} in ${name}`,
    size: entry.uncompressedSize,
    stream: () => unpack(entry),
    isNamed: conversationFileName.test(entry.filename),
  }))
  const found: FoundFiles = {
    named: files.filter(({ isNamed }) => isNamed),
    others: files.filter(({ isNamed }) => !isNamed),
    unread: own
      .filter((entry) => !isJson(entry) && !inner.includes(entry))
      .map(({ filename }) => `${filename} in ${name}`),
  }
  for (const entry of inner) {
    const innerName = `${entry.filename} in ${name}`
    if (entry.uncompressedSize > MAX_INNER_ARCHIVE_BYTES)
      throw new UnreadableFile('archive_too_large', innerName)
    const archive = await new Response(unpack(entry)).blob().catch((error: unknown) => {
      throw new UnreadableFile('damaged', innerName, error)
    })
    const { named, others, unread } = await filesIn(archive, innerName, zip, depth - 1)
    found.named.push(...named)
    found.others.push(...others)
    found.unread.push(...unread)
  }
  return found
}

/** The archives in an archive: those that say that they hold conversations, otherwise all. */
function innerArchives(entries: readonly ZipEntry[]): ZipEntry[] {
  const all = entries.filter(({ filename }) => /\.zip$/i.test(filename))
  const named = all.filter(({ filename }) => conversationArchiveName.test(filename))
  return named.length > 0 ? named : all
}

async function filesWithConversations(files: readonly ExportFile[]): Promise<ExportFile[]> {
  const found: ExportFile[] = []
  for (const file of files) if (await detectSource(file)) found.push(file)
  return found
}

/** Whether the file lists the files of an export, as the first file that Claude sends does. */
async function isIndex(file: ExportFile): Promise<boolean> {
  if (file.size > MAX_INDEX_BYTES) return false
  try {
    const value = JSON.parse(await new Response(file.stream()).text()) as unknown
    return isObject(value) && Array.isArray(value.data_files)
  } catch {
    return false
  }
}

function unpack(entry: ZipEntry): ReadableStream<Uint8Array> {
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>()
  entry.getData!(writable, { checkSignature: true }).catch((error: unknown) =>
    writable.abort(error).catch(() => undefined),
  )
  return readable
}
