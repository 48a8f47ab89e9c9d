// Code that a page loads when it is needed can be missing: the device is offline, or the server has
// a newer build. Whoever waits for such code says what happens then, so that no error is uncaught.
import { globSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'

const root = path.join(import.meta.dirname, '../..')

test('every component that waits for code has a branch for code that is missing', () => {
  const lacking = globSync('ui/src/**/*.svelte', { cwd: root }).flatMap((file) => {
    const text = readFileSync(path.join(root, file), 'utf8')
    const waits = [...text.matchAll(/\{#await (import\(|\w*[lL]oad|shell|signInPage|unknownPage)/g)]
    const branches = [...text.matchAll(/\{:catch/g)]
    return waits.length > branches.length ? [file] : []
  })
  expect(lacking).toEqual([])
})
