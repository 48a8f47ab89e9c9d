// The window of a long list: whatever the heights are, it covers the viewport and the spacers stand for exactly the rest.
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { offsetOf, RowHeights, windowOf } from '../../ui/src/lib/thread/row-window.ts'

const cases = fc.record({
  rows: fc.array(fc.option(fc.integer({ min: 1, max: 900 }), { nil: undefined }), { minLength: 1, maxLength: 200 }),
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
      const { start, end, above, below } = windowOf(keys, heights, { top, bottom: top + view, margin })
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
