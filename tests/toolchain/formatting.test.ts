// Exceptions from the formatter stay few, and stand on lines of their own.
import { globSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, it } from 'vitest'

const root = path.resolve(import.meta.dirname, '../..')
const foreign = ['node_modules', 'dist', 'packed', 'data', '.git']

// In two parts, so that this file doesn't count.
const directive = ['prettier', 'ignore'].join('-')

it('exempts at most 20 places from the formatter, none by a comment after code', () => {
  const files = globSync('**/*.{ts,js,mjs,svelte}', {
    cwd: root,
    exclude: (file) => foreign.includes(path.basename(file)),
  })
  const found = files.flatMap((file) =>
    readFileSync(path.join(root, file), 'utf8')
      .split('\n')
      .flatMap((text, index) => (text.includes(directive) ? { file, line: index + 1, text } : [])),
  )
  expect(found.length).toBeLessThanOrEqual(20)
  const ownLine = new RegExp(`^\\s*(//|/\\*|<!--|\\*)\\s*${directive}`)
  expect(found.filter(({ text }) => !ownLine.test(text))).toEqual([])
})
