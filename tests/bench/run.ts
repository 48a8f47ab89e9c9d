// npm run bench: runs the measurements. Each is compared with a floor that is measured in the same
// run, because machines differ and are busy with other things.
import { spawn } from 'node:child_process'

const vitest = spawn('vitest', ['run', '--project', 'bench', ...process.argv.slice(2)], {
  stdio: 'inherit',
  env: { ...process.env, LOCKSTEP_BENCH: '1' },
})
vitest.on('exit', (code) => process.exit(code ?? 1))
