import { expect, it } from 'vitest'
import { commentWidth } from '../../tools/eslint-comment-width.ts'
import { lint } from './lint.ts'

const word = 'words '
const long = word.repeat(20).trimEnd()

it.each([
  ['a line comment', 'a.ts', `// ${long}`],
  ['a comment after code', 'a.ts', `const a = 1 // ${long}`],
  ['the second line of a block', 'a.ts', `/*\n * ${long}\n */`],
  ['a docstring', 'a.ts', `/** ${long} */\nexport const a = 1`],
  ['a comment in the script of a component', 'a.svelte', `<script>\n// ${long}\n</script>`],
  ['a comment in markup', 'a.svelte', `<!-- ${long} -->\n<p>text</p>`],
  ['a comment in a style sheet', 'a.svelte', `<style>\n/* ${long} */\np { color: red }\n</style>`],
])('%s is reported when it passes column 100', (_, file, code) => {
  expect(lint(commentWidth, file, code)).toEqual([expect.stringMatching(/column 1\d\d: wrap/)])
})

it.each([
  ['a comment of 100 columns', 'a.ts', `// ${'x '.repeat(48)}x`],
  ['a short comment after a long line', 'a.ts', `const a = '${long}'\n// short`],
  ['a long string', 'a.ts', `const a = '${long}'`],
  ['an address, which cannot be wrapped', 'a.ts', `// https://x.test/${'x'.repeat(100)}`],
  ['long markup', 'a.svelte', `<p>${long}</p>`],
])('%s is not', (_, file, code) => {
  expect(lint(commentWidth, file, code)).toEqual([])
})
