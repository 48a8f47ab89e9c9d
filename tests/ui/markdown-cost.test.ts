// The cost of reading markdown grows with the length of the text, whatever the text contains.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { inForm } from '../harness/long-form.ts'
import { costlyTexts, longText } from './costly-markdown.ts'
import { markdownHtml } from './markdown-html.ts'

/** In milliseconds of the processor, for a text of 200 KB. */
const limit = 300
/** A busy machine also slows its processors down, so the best attempt counts. */
const attempts = 6

/** The best time of several attempts, which end as soon as one is within the limit. */
function millisecondsFor(text: string): number {
  let best = Infinity
  for (let attempt = 0; attempt < attempts && best > limit; attempt++) {
    const before = process.threadCpuUsage()
    markdownHtml(text)
    const { user, system } = process.threadCpuUsage(before)
    best = Math.min(best, (user + system) / 1_000)
  }
  return best
}

test.for(Object.keys(costlyTexts))('%s cost at most 300 ms per 200 KB', (name) => {
  expect(millisecondsFor(costlyTexts[name]!(longText))).toBeLessThanOrEqual(limit)
})

/** What begins, continues or ends something in markdown. */
const marks = [
  ...['*', '**', '_', '__', '~', '~~', '`', '``', '[', ']', '![', '](', '](<', '(', ')', '<', '>'],
  ...['"', "'", '[a]: ', '[a]', '&', '&amp;', '\\', '<a ', '<a b="', '<!--', '-->', '<?', '</a>'],
  ...['\n', '\n\n', '  \n', ' ', '    ', '\t', '- ', '1. ', '> ', '# ', '```\n', '~~~\n', '---\n'],
  ...[
    '===\n',
    '|',
    '|-|\n',
    ':-:',
    'http://',
    'www.',
    '@',
    '.',
    ':',
    'a',
    'a b',
    'é',
    '😀',
    '[ ] ',
  ],
]
const piece = fc
  .array(fc.constantFrom(...marks), { minLength: 1, maxLength: 6 })
  .map((all) => all.join(''))
/** Long texts repeat a piece, then perhaps another one, or repeat it more often each time. */
const longTexts = fc
  .record({
    head: piece,
    first: piece,
    second: piece,
    shape: fc.constantFrom('one', 'halves', 'grows'),
  })
  .map(({ head, first, second, shape }) => {
    const repeated = (text: string, length: number) =>
      text.repeat(Math.ceil(length / text.length)).slice(0, length)
    if (shape === 'one') return head + repeated(first, longText)
    if (shape === 'halves')
      return head + repeated(first, longText / 2) + repeated(second, longText / 2)
    const runs = Math.floor(Math.sqrt((2 * longText) / first.length))
    return Array.from({ length: runs }, (_, count) => first.repeat(count) + second).join('')
  })

test('no text is found that costs more than 300 ms per 200 KB', () => {
  fc.assert(
    fc.property(longTexts, (text) => millisecondsFor(text) <= limit),
    { numRuns: inForm(12, 40), endOnFailure: true },
  )
})
