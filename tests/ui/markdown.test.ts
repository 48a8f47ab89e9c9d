// The page's markdown is CommonMark, with GitHub's tables, strikethrough, tasks and bare addresses.
import { tests as examples } from 'commonmark-spec'
import { expect, test } from 'vitest'
import { parseInlines } from '../../ui/src/lib/components/markdown/inline-parser.ts'
import { finished, markdownHtml } from './markdown-html.ts'

/** White space between elements means nothing. */
const normalized = (html: string): string =>
  html
    .replace(/(<li>(?:\[.\])?)\n/g, '$1')
    .replaceAll('\n</li>', '</li>')
    .replace(/\n+/g, '\n')
    .trim()

/** Examples that differ on purpose, by number. */
const different = new Map([
  [12, 'a backslash with a bracket begins a formula'],
  [608, 'addresses without markup are links'],
  [611, 'addresses without markup are links'],
  [612, 'addresses without markup are links'],
  [616, 'the value of an attribute ends before a "<", and HTML is shown as text anyway'],
])

test('every example of CommonMark is read as CommonMark says, except where Lockstep differs on purpose', () => {
  const wrong = examples.filter(({ markdown, html, number }) => {
    const [source, wanted] = [markdown, html].map((text) => text.replaceAll('→', '\t'))
    return (normalized(markdownHtml(source!)) !== normalized(wanted!)) !== different.has(number)
  })
  expect(examples.length).toBeGreaterThan(600)
  expect(wrong).toEqual([])
})

test.for([
  ['\\(a^2_b*c*\\) and $$d$$', '<p><math>a^2_b*c*</math> and <math display>d</math></p>'],
  ['\\[\na\n+ b\n- c\n\\]\nend', '<math display>a\n+ b\n- c</math>\n<p>end</p>'],
  ['$$\na\n$$', '<math display>a</math>'],
  ['- in a list\n  $$\n  a\n  $$', '<ul>\n<li>in a list\n<math display>a</math></li>\n</ul>'],
  ['It costs $5, or $$6 for two.', '<p>It costs $5, or $$6 for two.</p>'],
  ['$$\nnever closed\n\nafter', '<p>$$\nnever closed</p>\n<p>after</p>'],
  [
    '`\\(code\\)` and \\\\(text\\\\) and \\( \\)',
    '<p><code>\\(code\\)</code> and \\(text\\) and ( )</p>',
  ],
  ['~~gone~~ ~once~ ~~~no~~~', '<p><del>gone</del> <del>once</del> ~~~no~~~</p>'],
  [
    '- [ ] open\n- [x] done\n- [y] text',
    '<ul>\n<li>[ ]open</li>\n<li>[x]done</li>\n<li>[y] text</li>\n</ul>',
  ],
  [
    '|a|b|\n|-|:-:|\n|1|\\||\n|*2*\nend',
    '<table><tr><th>a</th><th>b</th></tr><tr><td>1</td><td>|</td></tr><tr><td><em>2</em></td></tr><tr><td>end</td></tr></table>',
  ],
  ['words\na | b\n- | -', '<p>words</p>\n<table><tr><th>a</th><th>b</th></tr></table>'],
  ['a | b\n:-: | - | -', '<p>a | b\n:-: | - | -</p>'],
  [
    'See (https://a.example/x_y_z(1)), www.b.example. or me@c.example!',
    '<p>See (<a href="https://a.example/x_y_z(1)">https://a.example/x_y_z(1)</a>), <a href="http://www.b.example">www.b.example</a>. or <a href="mailto:me@c.example">me@c.example</a>!</p>',
  ],
  [
    '[https://a.example](https://b.example)',
    '<p><a href="https://b.example">https://a.example</a></p>',
  ],
])('%j', ([markdown, html]) => {
  expect(normalized(markdownHtml(markdown!))).toBe(html)
})

test('after the number of tokens that was asked for, the rest of a text stays source', () => {
  const tokens = finished(parseInlines('*a* *b* *c*', new Map(), 4))
  expect(tokens.at(-1)).toEqual({ type: 'rest', text: '* *c*' })
})
