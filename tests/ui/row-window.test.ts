// The window of a long list: whatever heights the rows have, the window covers the viewport, and
// the spacers are exactly as high as the other rows.
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  anchorAt,
  offsetOf,
  RowHeights,
  topOf,
  windowOf,
} from '../../ui/src/lib/components/thread/row-window.ts'

const cases = fc.record({
  rows: fc.array(fc.option(fc.integer({ min: 1, max: 900 }), { nil: undefined }), {
    minLength: 1,
    maxLength: 200,
  }),
  top: fc.integer({ min: -100, max: 60_000 }),
  view: fc.integer({ min: 1, max: 1500 }),
  margin: fc.integer({ min: 0, max: 1500 }),
})

test('the window contains every row in the viewport, and the spacers are as high as the other rows', () => {
  fc.assert(
    fc.property(cases, ({ rows, top, view, margin }) => {
      const heights = new RowHeights(120)
      const keys = rows.map((_, index) => `row ${index}`)
      rows.forEach((height, index) => height !== undefined && heights.set(keys[index]!, height))
      const total = offsetOf(keys, heights, keys.length)
      const { start, end, above, below } = windowOf(keys, heights, {
        top,
        bottom: top + view,
        margin,
      })
      const within = keys.slice(start, end).reduce((sum, key) => sum + heights.get(key), 0)
      expect(above + within + below).toBeCloseTo(total, 6)
      expect(above).toBeCloseTo(offsetOf(keys, heights, start), 6)
      for (const [index, key] of keys.entries()) {
        const from = offsetOf(keys, heights, index)
        const isVisible = from < top + view && from + heights.get(key) > top
        if (isVisible) expect(index >= start && index < end).toBe(true)
      }
    }),
  )
})

const listOf = (keys: string[]) => {
  const heights = new RowHeights(100)
  for (const key of keys) heights.set(key, key.startsWith('day') ? 40 : 100)
  return { keys, heights, last: offsetOf(keys, heights, keys.length) - 50 }
}

test('older rows do not move the reading position, even if the row at the top is replaced', () => {
  const before = listOf(['day 3', 'three', 'four', 'five'])
  const after = listOf(['day 1', 'one', 'two', 'three', 'four', 'five'])
  for (const from of [-10, 0, 25, 40, 90, 240]) {
    const anchor = anchorAt(before.keys, before.heights, from)!
    expect(topOf(anchor, before.keys, before.heights, before.last)).toBe(from)
    const fromEnd = offsetOf(before.keys, before.heights, 4) - from
    expect(topOf(anchor, after.keys, after.heights, after.last)).toBe(
      offsetOf(after.keys, after.heights, 6) - fromEnd,
    )
  }
})

test('newer rows do not move the reading position, and the anchor at the end keeps the end in view', () => {
  const before = listOf(['day 3', 'three', 'four'])
  const after = listOf(['day 3', 'three', 'four', 'five', 'six'])
  const anchor = anchorAt(before.keys, before.heights, 60)!
  expect(topOf(anchor, after.keys, after.heights, after.last)).toBe(60)
  expect(topOf('end', after.keys, after.heights, after.last)).toBe(after.last)
})
