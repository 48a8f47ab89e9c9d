// Computes which rows of a long list are rendered: those near the viewport, between two spacers.
// The height of a row is estimated until it is measured, so ten thousand rows cost no more than
// twenty.
//
//     list's start   +------------------+
//                    | spacer: above    |   rows before `start`
//                    +------------------+
//                    | rendered rows    |   rows `start` up to, but not including, `end`;
//                    |   (viewport)     |   they cover the viewport and `margin` on each side
//                    +------------------+
//                    | spacer: below    |   rows from `end`
//     list's end     +------------------+

export interface RowWindow {
  /** The index of the first rendered row. */
  start: number
  /** The index after the last rendered row. */
  end: number
  /** The total heights of the rows before and after the rendered ones, in CSS pixels. */
  above: number
  below: number
}

/** Measured heights by row key, in CSS pixels. */
export class RowHeights {
  readonly #measured = new Map<string, number>()
  #sum = 0
  readonly #initialEstimate: number

  /** @param initialEstimate the height of a row, in CSS pixels, as long as no row is measured */
  constructor(initialEstimate: number) {
    this.#initialEstimate = initialEstimate
  }

  /** Stores a measured height. Returns true if it differs from the stored one. */
  set(key: string, height: number): boolean {
    const before = this.#measured.get(key)
    if (before === height) return false
    this.#measured.set(key, height)
    this.#sum += height - (before ?? 0)
    return true
  }

  /** The measured height of a row, or the estimate. */
  get(key: string): number {
    return this.#measured.get(key) ?? this.#estimate
  }

  /** The mean of the measured heights, so that the spacers have about the right length. */
  get #estimate(): number {
    return this.#measured.size === 0 ? this.#initialEstimate : this.#sum / this.#measured.size
  }

  /** Forgets all heights; to be called when the width or the density changes. */
  clear(): void {
    this.#measured.clear()
    this.#sum = 0
  }
}

/**
 * The rows that overlap the range from `top - margin` to `bottom + margin`, in CSS pixels from the
 * list's start.
 */
export function windowOf(
  keys: readonly string[],
  heights: RowHeights,
  view: { top: number; bottom: number; margin: number },
): RowWindow {
  const from = view.top - view.margin
  const to = view.bottom + view.margin
  let start = 0
  let at = 0
  while (start < keys.length - 1) {
    const height = heights.get(keys[start]!)
    if (at + height > from) break
    at += height
    start += 1
  }
  const above = at
  let end = start
  while (end < keys.length && at < to) at += heights.get(keys[end++]!)
  let below = 0
  for (let index = end; index < keys.length; index++) below += heights.get(keys[index]!)
  return { start, end, above, below }
}

/** The distance from the list's start to the row at `index`, in CSS pixels. */
export function offsetOf(keys: readonly string[], heights: RowHeights, index: number): number {
  let at = 0
  for (let before = 0; before < index; before++) at += heights.get(keys[before]!)
  return at
}

/**
 * The position that the viewport keeps: the list's end, or a row. Distances are in CSS pixels.
 * `delta` is the distance from the row's top to the viewport's top. `rest` is the distance from the
 * viewport's top to the end of the rows; it counts if the row is gone, because a line with a day
 * gets another key when older messages of that day are loaded.
 */
export type ScrollAnchor = 'end' | { key: string; delta: number; rest: number }

/**
 * The anchor for a viewport that begins `from` CSS pixels below the list's start. Returns undefined
 * for an empty list.
 */
export function anchorAt(
  keys: readonly string[],
  heights: RowHeights,
  from: number,
): ScrollAnchor | undefined {
  let offset = 0
  let index = 0
  for (; index < keys.length - 1; index++) {
    const height = heights.get(keys[index]!)
    if (offset + height > from) break
    offset += height
  }
  const key = keys[index]
  return key === undefined
    ? undefined
    : { key, delta: from - offset, rest: offsetOf(keys, heights, keys.length) - from }
}

/**
 * The distance from the list's start to the viewport's top, in CSS pixels. `last` is that distance
 * when the viewport shows the list's end.
 */
export function topOf(
  anchor: ScrollAnchor,
  keys: readonly string[],
  heights: RowHeights,
  last: number,
): number {
  if (anchor === 'end') return last
  const index = keys.indexOf(anchor.key)
  if (index < 0) return Math.min(offsetOf(keys, heights, keys.length) - anchor.rest, last)
  return Math.min(offsetOf(keys, heights, index) + anchor.delta, last)
}
