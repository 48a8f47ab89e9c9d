// The table of the README says what the engine claims. The code has nothing more and nothing less.
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { accumulatorNames } from '../../realtime/embedded/aggregate/group.ts'
import { stageNames } from '../../realtime/embedded/aggregate/stream-stages.ts'
import { commands } from '../../realtime/embedded/commands/registry.ts'
import { expressionOperators } from '../../realtime/embedded/expression/compile.ts'
import { Regex } from '../../realtime/embedded/regex/regex.ts'
import { updateOperators } from '../../realtime/embedded/update/modifiers.ts'
import { openDatabase, type TestDatabase } from './database.ts'

const readme = readFileSync(new URL('../../realtime/embedded/README.md', import.meta.url), 'utf8')

/** The names in a row of the table. */
function claimed(kind: string): string[] {
  const row = readme.split('\n').find((line) => line.startsWith(`| ${kind} `))
  const withoutNotes = row!.replaceAll(/\([^)]*\)/g, '')
  return [...withoutNotes.matchAll(/`([^`]+)`/g)].map(([, name]) => name!)
}

test.each([
  ['Commands', [...commands.keys()].filter((name) => !name.endsWith('Transaction'))],
  ['Update operators', Object.keys(updateOperators)],
  ['Stages', [...stageNames, '$changeStream']],
  ['Accumulators', accumulatorNames],
  ['Expression operators', [...expressionOperators.keys()]],
])('%s are those of the table', (kind, names) => {
  expect([...names].sort()).toEqual(claimed(kind).sort())
})

// Patterns that PCRE takes and RE2 can't match in a time in proportion to the text, or at all.
test.each([
  ...['(a)\\1', '(?<=a)b', '(?=ab)a', '(?!a)b', '(?>a)b', 'a++b', '(?R)', '(*UTF8)a', 'a{2}{3}'],
  ...['a{1001}', '$a', '(a|$)b', '(?m)^', '\\p{Greek}', '\\R', '\\G', '[[.a.]]', '(?i)[\\wa]'],
])('the regular expression %j is refused', (source) => {
  expect(() => new Regex(source, '')).toThrow(expect.objectContaining({ code: 238 }))
})

describe('query operators', () => {
  let database: TestDatabase
  beforeAll(async () => void (database = await openDatabase()))
  afterAll(() => database[Symbol.asyncDispose]())

  const others = [
    '$box $geoIntersects $geoWithin $jsonSchema $maxDistance $near $nearSphere $rand $sampleRate $text $where',
  ].flatMap((names) => names.split(' '))

  /** What the engine says about an operator, at a field and at the top. */
  async function answers(name: string): Promise<string[]> {
    const items = database.db.collection('items')
    const attempts = [{ a: { [name]: null } }, { [name]: null }].map((filter) =>
      items.findOne(filter).then(
        () => 'known',
        (error: Error) => error.message,
      ),
    )
    return Promise.all(attempts)
  }

  const unknown = /^unknown|not supported/

  test('of the table are known', async () => {
    for (const name of claimed('Query operators'))
      expect(
        (await answers(name)).filter((answer) => !unknown.test(answer)),
        name,
      ).not.toEqual([])
  })

  test('that aren’t in the table are refused', async () => {
    for (const name of others)
      expect(
        (await answers(name)).filter((answer) => !unknown.test(answer)),
        name,
      ).toEqual([])
  })
})
