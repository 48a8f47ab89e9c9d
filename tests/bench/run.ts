// npm run bench -- [--only NAME,NAME] [--json]: runs the measurements, or those of these files.
// Each is compared with a floor that is measured in the same run, because machines differ and are
// busy with other things. With --json, the tables go to the standard output as one array, and
// everything else to the standard error.
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { readTables } from './table.ts'

const { values, positionals } = parseArgs({
  options: { only: { type: 'string' }, json: { type: 'boolean', default: false } },
  allowPositionals: true,
})
const files = (values.only?.split(',') ?? []).map((name) => `tests/bench/${name}.bench.ts`)
const folder = mkdtempSync(join(tmpdir(), 'lockstep-bench-'))
const tables = join(folder, 'tables.jsonl')
const vitest = spawn('vitest', ['run', '--project', 'bench', ...files, ...positionals], {
  stdio: values.json ? ['inherit', 2, 2] : 'inherit',
  env: { ...process.env, LOCKSTEP_BENCH: '1', LOCKSTEP_BENCH_TABLES: tables },
})
vitest.on('exit', (code) => {
  if (values.json) process.stdout.write(`${JSON.stringify(readTables(tables), null, 2)}\n`)
  rmSync(folder, { recursive: true })
  process.exit(code ?? 1)
})
