// The code calls each thing by the word of ARCHITECTURE.md's glossary. Words that once stood for
// several things may not come back in names, except where they have the one meaning that is left.
import { globSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'

const root = path.join(import.meta.dirname, '../..')

/** The word in names -> the folders in which it has its one meaning. */
const words: Record<string, RegExp | undefined> = {
  room: /^realtime\/(gateway|redis)\//,
  hot: undefined,
  charge: undefined,
  mandate: undefined,
  turnstile: undefined,
  figures: undefined,
}

/** The words of every name in a text, in lower case; comments and texts are no names. */
function wordsOfNames(text: string): Set<string> {
  const code = text
    .replaceAll(/\/\*[^]*?\*\/|(?<![:'"`])\/\/.*/g, '')
    .replaceAll(/(['"])(?:\\.|(?!\1)[^\\\n])*\1|`[^`]*`/g, '')
  const names = code.match(/[A-Za-z_$][\w$]*/g) ?? []
  return new Set(
    names.flatMap((name) => name.match(/[A-Z]?[a-z]+|[A-Z]+/g) ?? []).map((w) => w.toLowerCase()),
  )
}

test('names have no word of another meaning', () => {
  const files = globSync('{protocol,realtime,clients,ui/src}/**/*.ts', {
    cwd: root,
    exclude: ['**/node_modules', '**/dist'],
  })
  expect(files.length).toBeGreaterThan(200)
  const found = files.flatMap((file) => {
    const present = wordsOfNames(readFileSync(path.join(root, file), 'utf8'))
    for (const word of wordsOfNames(path.basename(file, '.ts'))) present.add(word)
    return Object.entries(words)
      .filter(([, allowed]) => !allowed?.test(file))
      .filter(([word]) => present.has(word) || present.has(`${word}s`))
      .map(([word]) => `${file}: ${word}`)
  })
  expect(found).toEqual([])
})
