// The list's preview of a message: plain text, whatever the markdown was and wherever it was cut.
import { expect, test } from 'vitest'
import { stripMarkdown } from '../../ui/src/lib/components/conversations/strip-markdown.ts'

test.each([
  ['**Bold**, _soft_ and `code`', 'Bold, soft and code'],
  ['# Title\n\nText', 'Title Text'],
  ['```ts\nconst a = 1\n```\nAfter', 'const a = 1 After'],
  ['| A | B |\n|---|:-:|\n| 1 | 2 |', 'A B 1 2'],
  ['- one\n- [x] two\n1. three\n> four', 'one two three four'],
  ['A [link](https://example.com/a?b) here', 'A link here'],
  ['Cut [link](https://example.com/very/lo', 'Cut link'],
  ['![A picture](https://example.com/p.png)', 'A picture'],
  ['<https://example.com> and <b>raw</b> tags', 'https://example.com and raw tags'],
  ['---\nAfter a line\n***', 'After a line'],
  ['[1]: https://example.com "Note"\nText', 'Text'],
  ['\\*kept\\* stars', '*kept* stars'],
  ['The sum \\(a + b\\) is $$c$$', 'The sum a + b is c'],
  ['snake_case and 2 * 3 * 4 stay', 'snake_case and 2 * 3 * 4 stay'],
  ['1 < 2 and 3 > 2', '1 < 2 and 3 > 2'],
])('%j is shown as %j', (markdown, text) => {
  expect(stripMarkdown(markdown)).toBe(text)
})
