// npm run bench -- [--only NAME,NAME] [--json]: measures, and ends with one table.
//
// Each row compares with a floor that is measured in the same run, because machines differ and are
// busy with other things. MONGODB_URL and REDIS_URL name the database and the Redis to measure
// with; without them, the embedded database and a redis-server of this machine are used. With
// --json, rows and tables go to the standard output as one array, and everything else to the
// standard error. `replies` and `scale` are measured only if --only names them: they answer other
// questions.
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { readWritten, summaryOf } from './table.ts'

const ofTheTable = ['changes', 'devices', 'feed', 'start', 'sealing']

const { values } = parseArgs({
  options: { only: { type: 'string' }, json: { type: 'boolean', default: false } },
})
const names = values.only?.split(',') ?? ofTheTable
const files = names.map((name) => `tests/bench/${name}.bench.ts`)
const folder = mkdtempSync(join(tmpdir(), 'lockstep-bench-'))
const file = join(folder, 'written.jsonl')
const vitest = spawn('vitest', ['run', '--project', 'bench', ...files], {
  stdio: values.json ? ['inherit', 2, 2] : 'inherit',
  env: { ...process.env, LOCKSTEP_BENCH: '1', LOCKSTEP_BENCH_TABLES: file },
})
vitest.on('exit', (code) => {
  const written = readWritten(file)
  rmSync(folder, { recursive: true })
  const rows = written.flatMap((each) => ('row' in each ? [each.row] : []))
  if (values.json) process.stdout.write(`${JSON.stringify(written, null, 2)}\n`)
  else if (rows.length > 0) process.stdout.write(`\n${summaryOf(rows)}`)
  process.exit(code ?? 1)
})
