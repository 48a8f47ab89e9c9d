/** Bytes that can be read more than once, in memory or elsewhere. */
export interface ByteSource {
  size: number
  /** All of the bytes, if they are in memory. */
  inMemory?: Uint8Array
  /** The bytes in [from, to), in chunks that nothing else uses. */
  chunks(from: number, to: number): Iterable<Uint8Array>
}

/** Decodes the UTF-8 text in [from, to). */
export function textIn(bytes: ByteSource, from: number, to: number): string {
  const decoder = new TextDecoder()
  let text = ''
  for (const chunk of bytes.chunks(from, to)) text += decoder.decode(chunk, { stream: true })
  return text + decoder.decode()
}
