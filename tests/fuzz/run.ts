// npm run fuzz -- --seeds N [--only everyday|shaken|clustered] [--seed S [--path P]]: more random histories than the tests play, or one of
// them again. Of a hundred 80 are everyday ones and 20 shaken; 10 on three nodes come beside them.
import { spawn } from 'node:child_process'
import { parseArgs } from 'node:util'

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '1000' },
    only: { type: 'string', default: '' },
    seed: { type: 'string' },
    path: { type: 'string' },
  },
})
const env: NodeJS.ProcessEnv = { ...process.env, FUZZ_SEEDS: values.seeds }
if (values.seed !== undefined) env.FUZZ_SEED = values.seed
if (values.path !== undefined) env.FUZZ_PATH = values.path
const vitest = spawn('vitest', ['run', '--project', 'fast', `tests/fuzz/${values.only}`], {
  stdio: 'inherit',
  env,
})
vitest.on('exit', (code) => process.exit(code ?? 1))
