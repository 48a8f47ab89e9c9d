// `npm run conformance`: its verdicts on tests of the unified format, and its exit code.
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { startProcess } from '../harness/processes.ts'
import { temporaryDirectory } from './database.ts'

const runner = new URL('../conformance/run.ts', import.meta.url).pathname

/** A file with one test, which runs one operation on a collection with one document. */
function fileOf(description: string, operation: object, more: object = {}): string {
  return JSON.stringify({
    description,
    schemaVersion: '1.0',
    createEntities: [
      { client: { id: 'client' } },
      { database: { id: 'database', client: 'client', databaseName: 'conformance' } },
      { collection: { id: 'collection', database: 'database', collectionName: 'items' } },
    ],
    initialData: [
      { databaseName: 'conformance', collectionName: 'items', documents: [{ _id: 1, n: 1 }] },
    ],
    tests: [{ description, operations: [{ object: 'collection', ...operation }], ...more }],
  })
}

test('tells which tests pass, fail, are refused and are skipped', async () => {
  await using folder = await temporaryDirectory()
  const find = { name: 'find', arguments: { filter: { n: 1 } } }
  const files = {
    a: fileOf('right', { ...find, expectResult: [{ _id: 1, n: { $$type: 'int' } }] }),
    b: fileOf('wrong', { ...find, expectResult: [] }),
    c: fileOf('beyond', { name: 'aggregate', arguments: { pipeline: [{ $out: 'x' }] } }),
    d: fileOf('other', find, { runOnRequirements: [{ minServerVersion: '99.0' }] }),
  }
  for (const [name, text] of Object.entries(files))
    await writeFile(join(folder.path, `${name}.json`), text)
  await using program = await startProcess({
    command: process.execPath,
    args: [runner, folder.path],
  })
  expect(await program.exited).toMatchObject({ code: 1 })
  const output = program.output.join('\n')
  expect(output).toMatch(/^passed a\.json: right$/m)
  expect(output).toMatch(/^failed b\.json: wrong/m)
  expect(output).toMatch(/^refused c\.json: beyond/m)
  expect(output).toMatch(/^skipped d\.json: other/m)
  expect(output).toContain('"passed":1,"failed":1,"refused":1,"skipped":1')
}, 60_000)
