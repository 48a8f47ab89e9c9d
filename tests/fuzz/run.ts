// npm run fuzz -- --seeds N [--only everyday|faults|clustered] [--seed S [--path P]]: plays more
// random histories than the tests do, or one of them again. Of 100 histories, 80 are everyday ones
// and 20 have faults of the servers; 10 more run on three nodes.
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
// without a choice, the search for expensive requests goes on for longer as well
const files = [
  `tests/fuzz/${values.only}`,
  ...(values.only ? [] : ['attacks/request-cost', 'attacks/second-user']),
]
const vitest = spawn('vitest', ['run', '--project', 'fast', ...files], {
  stdio: 'inherit',
  env,
})
vitest.on('exit', (code) => process.exit(code ?? 1))
