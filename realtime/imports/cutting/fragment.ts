/**
 * A part of an export, as `ExportCutter` cuts it: usually one item. `open`, `text` and `close`
 * together are an export of the same source that holds only this part. Fragments with the same
 * non-empty `open` can be joined into one export.
 */
export interface Fragment {
  open: string
  /** JSON in UTF-8. */
  text: Uint8Array
  close: string
  /** The index of an item in its list, from 0. */
  index: number
  /**
   * The fragment exceeds what a reader may hold. `text` is empty; nobody has checked that it was
   * JSON.
   */
  isTooLarge: boolean
}

/**
 * Joins fragments with the same `open` into one export: JSON in UTF-8, as a list of `Blob` parts.
 */
export function joinFragments(
  fragments: readonly Fragment[],
): (string | Uint8Array<ArrayBuffer>)[] {
  const [{ open, close }] = fragments as [Fragment]
  const texts = fragments.flatMap(({ text }, i) => (i === 0 ? [text] : [',', text])) as (
    string | Uint8Array<ArrayBuffer>
  )[]
  return [open, ...texts, close]
}
