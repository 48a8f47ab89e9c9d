// Which rows of a long list stand in the page: those near the viewport, between two spacers. Heights are guessed until a row was measured,
// so that ten thousand rows cost no more than twenty.

export interface RowWindow {
  /** Index of the first shown row and of the one after the last. */
  start: number
  end: number
  /** Pixels of the rows before and after them. */
  above: number
  below: number
}

/** Measured heights by row key, in CSS pixels. */
export class RowHeights {
  readonly #known = new Map<string, number>()
  #sum = 0
  readonly #first: number

  /** `guess`: pixels of a row as long as nothing has been measured. */
  constructor(guess: number) {
    this.#first = guess
  }

  /** True when this is news. */
  set(key: string, height: number): boolean {
    const before = this.#known.get(key)
    if (before === height) return false
    this.#known.set(key, height)
    this.#sum += height - (before ?? 0)
    return true
  }

  get(key: string): number {
    return this.#known.get(key) ?? this.guess
  }

  /** The mean of what was measured: spacers then have about the right length. */
  get guess(): number {
    return this.#known.size === 0 ? this.#first : this.#sum / this.#known.size
  }

  /** A change of width or density makes every height another. */
  clear(): void {
    this.#known.clear()
    this.#sum = 0
  }
}

/** Rows that meet [top - margin, bottom + margin], in pixels from the list's start. */
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

/** Pixels from the list's start to a row. */
export function offsetOf(keys: readonly string[], heights: RowHeights, index: number): number {
  let at = 0
  for (let before = 0; before < index; before++) at += heights.get(keys[before]!)
  return at
}

/**
 * What the view holds on to: the list's end, or a row and how far (pixels) the viewport begins below that row's top. `rest`: pixels from
 * there to the end of the rows, for the case that the row is gone: a line of the day moves up when older messages come before it.
 */
export type ReadAnchor = 'end' | { key: string; delta: number; rest: number }

/** The row in which the viewport begins, `from` pixels below the list's start; undefined for an empty list. */
export function anchorAt(
  keys: readonly string[],
  heights: RowHeights,
  from: number,
): ReadAnchor | undefined {
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

/** Where the viewport begins, in pixels from the list's start; `last`: where it begins when it shows the list's end. */
export function topOf(
  anchor: ReadAnchor,
  keys: readonly string[],
  heights: RowHeights,
  last: number,
): number {
  if (anchor === 'end') return last
  const index = keys.indexOf(anchor.key)
  if (index < 0) return Math.min(offsetOf(keys, heights, keys.length) - anchor.rest, last)
  return Math.min(offsetOf(keys, heights, index) + anchor.delta, last)
}
