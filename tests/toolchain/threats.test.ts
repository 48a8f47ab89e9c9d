// Each row of the threat model says how its defence is removed and which test must then fail
// (tests/threats). `npm run threats` tries it; this only checks that it can be tried.
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, it } from 'vitest'
import { isRemoval } from '../threats/row.ts'
import { rows } from '../threats/rows.ts'
import { rowsOf } from '../threats/threat-model.ts'

const root = path.join(import.meta.dirname, '../..')
const read = (file: string): string => readFileSync(path.join(root, file), 'utf8')

it('each row of the threat model has a removal of its defence, or the reason why there is none', () => {
  const model = rowsOf(read('docs/threat-model.md'))
  const named = new Map(model.map(({ name, tests }) => [name, tests]))
  expect(named.size).toBe(model.length)
  expect(rows.map(({ row }) => row).toSorted()).toEqual([...named.keys()].toSorted())
  for (const row of rows)
    if (!isRemoval(row)) expect(row.reason, row.row).toMatch(/\w{3}/)
    else expect(named.get(row.row), row.row).toContainEqual(row.test)
})

it('what a removal replaces is there once, and the test that must fail exists', () => {
  for (const row of rows.filter(isRemoval)) {
    const [file, name] = row.test
    expect(read(file), row.row).toContain(name)
    for (const edit of row.edits) {
      expect(read(edit.file).split(edit.old), `${row.row}: ${edit.old}`).toHaveLength(2)
      expect(edit.now, row.row).not.toBe(edit.old)
    }
  }
})
