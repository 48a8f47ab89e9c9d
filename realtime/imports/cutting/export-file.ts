/** One JSON value in UTF-8. */
export interface ExportFile {
  /** A name that the person recognizes. */
  name: string
  /** In bytes. */
  size: number
  stream(): ReadableStream<Uint8Array>
}
