// The window of a long list: whatever the heights are, it covers the viewport and the spacers stand for exactly the rest.
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

test('rows that meet the viewport are in the window, and the spacers add up to the rest', () => {
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
        const isInSight = from < top + view && from + heights.get(key) > top
        if (isInSight) expect(index >= start && index < end).toBe(true)
      }
    }),
  )
})

const list = (keys: string[]) => {
  const heights = new RowHeights(100)
  for (const key of keys) heights.set(key, key.startsWith('day') ? 40 : 100)
  return { keys, heights, last: offsetOf(keys, heights, keys.length) - 50 }
}

test('what is being read stays where it is when older rows come, also when it begins in a line that moves away', () => {
  const before = list(['day 3', 'three', 'four', 'five'])
  const after = list(['day 1', 'one', 'two', 'three', 'four', 'five'])
  for (const from of [-10, 0, 25, 40, 90, 240]) {
    const anchor = anchorAt(before.keys, before.heights, from)!
    expect(topOf(anchor, before.keys, before.heights, before.last)).toBe(from)
    const fromEnd = offsetOf(before.keys, before.heights, 4) - from
    expect(topOf(anchor, after.keys, after.heights, after.last)).toBe(
      offsetOf(after.keys, after.heights, 6) - fromEnd,
    )
  }
})

test('rows that come behind it don’t move it either; the end keeps the end in sight', () => {
  const before = list(['day 3', 'three', 'four'])
  const after = list(['day 3', 'three', 'four', 'five', 'six'])
  const anchor = anchorAt(before.keys, before.heights, 60)!
  expect(topOf(anchor, after.keys, after.heights, after.last)).toBe(60)
  expect(topOf('end', after.keys, after.heights, after.last)).toBe(after.last)
})
