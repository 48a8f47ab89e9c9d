// Reads JSON files out of a ZIP archive (PKWARE APPNOTE 4.3; stored and deflated entries), as exports of other products come in one.

const END = 0x06054b50
const ENTRY = 0x02014b50
const endLength = 22
const longestComment = 0xffff

interface Entry {
  name: string
  method: number
  packedSize: number
  offset: number
}

/** The entries of the central directory. Throws when it isn't a ZIP archive. */
async function entriesOf(file: Blob): Promise<Entry[]> {
  const tailStart = Math.max(0, file.size - endLength - longestComment)
  const tail = new DataView(await file.slice(tailStart).arrayBuffer())
  let end = tail.byteLength - endLength
  while (end >= 0 && tail.getUint32(end, true) !== END) end -= 1
  if (end < 0) throw new Error('This is not a complete ZIP archive')
  const size = tail.getUint32(end + 12, true)
  const start = tail.getUint32(end + 16, true)
  const directory = new DataView(await file.slice(start, start + size).arrayBuffer())

  const entries: Entry[] = []
  for (let at = 0; at + 46 <= directory.byteLength && directory.getUint32(at, true) === ENTRY;) {
    const nameLength = directory.getUint16(at + 28, true)
    const name = new TextDecoder().decode(new Uint8Array(directory.buffer, at + 46, nameLength))
    entries.push({
      name,
      method: directory.getUint16(at + 10, true),
      packedSize: directory.getUint32(at + 20, true),
      offset: directory.getUint32(at + 42, true),
    })
    at += 46 + nameLength + directory.getUint16(at + 30, true) + directory.getUint16(at + 32, true)
  }
  return entries
}

async function textOf(file: Blob, { method, packedSize, offset }: Entry): Promise<string> {
  // The local header's name and extra field may be longer than the directory says.
  const header = new DataView(await file.slice(offset, offset + 30).arrayBuffer())
  const start = offset + 30 + header.getUint16(26, true) + header.getUint16(28, true)
  const packed = file.slice(start, start + packedSize)
  if (method === 0) return packed.text()
  if (method !== 8) throw new Error('This archive is packed in a way that browsers do not know')
  return new Response(packed.stream().pipeThrough(new DecompressionStream('deflate-raw'))).text()
}

/** The texts of the entries whose path matches, in order of name. */
export async function textsInZip(file: Blob, pattern: RegExp): Promise<string[]> {
  const wanted = (await entriesOf(file)).filter(({ name }) => pattern.test(name))
  wanted.sort((a, b) => a.name.localeCompare(b.name, 'en', { numeric: true }))
  return Promise.all(wanted.map((entry) => textOf(file, entry)))
}
