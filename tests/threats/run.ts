// npm run threats [-- --only <words>] [-- --unchanged]: shows that the tests of the threat model
// can fail. It removes the defence of each row in a scratch copy and runs the test that must then
// be red. `--only` takes the rows whose name or section has these words. `--unchanged` removes
// nothing: every test must then be green, and those of one file run together. It ends with code 1
// if a test is not as it must be.
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs, stripVTControlCharacters } from 'node:util'
import { isRemoval, type Removal } from './row.ts'
import { rows } from './rows.ts'
import { ScratchCopy } from './scratch-copy.ts'
import { rowsOf } from './threat-model.ts'

const root = join(import.meta.dirname, '../..')
const REPORT = 'threat.json'
/** The longest time of one test (ms). */
const MAX_MS = 600_000

/** `broken`: no test of this name ran to its end, so nothing is shown. */
type Verdict = 'red' | 'green' | 'broken'
interface Outcome {
  verdict: Verdict
  because: string
}

/** What a report of Vitest has of each file. */
interface Report {
  testResults: {
    message: string
    assertionResults: { fullName: string; status: string; failureMessages: string[] }[]
  }[]
}

/** A name as Vitest's `-t` takes it. A row has it as the source: `%s` stands for the case. */
function patternOf({ test: [, name], only }: Removal): string {
  const escaped = (text: string) => text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')
  const words = only === undefined ? '.*' : escaped(only)
  const named = escaped(name).replaceAll(/%[sdifjo#]/g, () => words)
  return only === undefined || named !== escaped(name) ? named : `${named}.*${words}`
}

const projectOf = (file: string): string =>
  ['toolchain', 'browser'].find((name) => file.startsWith(`tests/${name}/`)) ?? 'fast'

const firstLine = (text: string): string =>
  stripVTControlCharacters(text).trim().split('\n', 1)[0]!.slice(0, 160)

/** Runs the tests of these removals, all of one file, and says how each of them ended. */
async function tryTests(copy: ScratchCopy, removals: readonly Removal[]): Promise<Outcome[]> {
  const [file] = removals[0]!.test
  const needs = removals.find(({ needs }) => needs !== undefined)?.needs
  if (needs) await copy.run(['tools/prepare.mjs', needs], MAX_MS)
  rmSync(copy.pathOf(REPORT), { force: true })
  const chosen = ['run', '--project', projectOf(file), file]
  if (!removals.some(({ wholeFile }) => wholeFile))
    chosen.push('-t', removals.map((removal) => `(?:${patternOf(removal)})`).join('|'))
  const report = ['--reporter=json', `--outputFile=${REPORT}`]
  const output = await copy.run(['node_modules/vitest/vitest.mjs', ...chosen, ...report], MAX_MS)
  if (!existsSync(copy.pathOf(REPORT)))
    return removals.map(() => ({ verdict: 'broken', because: firstLine(output) }))
  const { testResults } = JSON.parse(readFileSync(copy.pathOf(REPORT), 'utf8')) as Report
  return removals.map((removal) => outcomeOf(testResults, new RegExp(patternOf(removal))))
}

function outcomeOf(testResults: Report['testResults'], pattern: RegExp): Outcome {
  const ran = testResults
    .flatMap(({ assertionResults }) => assertionResults)
    .filter(({ fullName }) => pattern.test(fullName))
    .filter(({ status }) => status === 'passed' || status === 'failed')
  const failed = ran.find(({ status }) => status === 'failed')
  if (failed) return { verdict: 'red', because: firstLine(failed.failureMessages.join('\n')) }
  if (ran.length > 0) return { verdict: 'green', because: '' }
  return { verdict: 'broken', because: firstLine(testResults.map((of) => of.message).join('\n')) }
}

async function main(): Promise<boolean> {
  const { values } = parseArgs({
    options: { only: { type: 'string', default: '' }, unchanged: { type: 'boolean' } },
  })
  const wanted: Verdict = values.unchanged ? 'green' : 'red'
  const print = (line: string) => process.stdout.write(`${line}\n`)
  const sections = new Map(
    rowsOf(readFileSync(join(root, 'docs/threat-model.md'), 'utf8')).map(
      ({ name, section }) => [name, section] as const,
    ),
  )
  const words = values.only.toLowerCase()
  const chosen = rows.filter(({ row }) =>
    `${sections.get(row)}: ${row}`.toLowerCase().includes(words),
  )
  const removals = chosen.filter(isRemoval)
  const counts: Record<Verdict, number> = { red: 0, green: 0, broken: 0 }
  using copy = new ScratchCopy(root)
  // without a removal, the tests of one file run together
  const runs = values.unchanged
    ? [...Map.groupBy(removals, ({ test: [file] }) => file).values()]
    : removals.map((removal) => [removal])
  let done = 0
  for (const together of runs) {
    const began = performance.now()
    if (!values.unchanged) copy.apply(together[0]!.edits)
    const outcomes = await tryTests(copy, together)
    copy.restore()
    const seconds = Math.round((performance.now() - began) / 1000)
    for (const [index, { verdict, because }] of outcomes.entries()) {
      const { row, test } = together[index]!
      counts[verdict]++
      const mark = verdict === wanted ? ' ' : '!'
      print(`${mark} ${++done}/${removals.length} ${verdict} (${seconds} s) ${row}`)
      if (verdict !== 'green') print(`    ${because}`)
      if (verdict !== wanted) print(`    ${test.join(' “')}”`)
    }
  }
  for (const row of chosen)
    if (!isRemoval(row)) print(`- not removable: ${row.row}\n    ${row.reason}`)
  print(JSON.stringify({ rows: chosen.length, ...counts }))
  return counts[wanted] === removals.length
}

// an interruption removes the copy too
process.once('SIGINT', () => process.exit(130))
process.once('SIGTERM', () => process.exit(143))
process.exitCode = (await main()) ? 0 : 1
