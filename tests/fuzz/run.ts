// npm run fuzz -- --seeds N [--cluster] [--seed S [--path P]]: more random histories than the tests play, or one of them again. With
// --cluster only those on three nodes with Redis, which come beside the others, 15 for a hundred, without it.
import { spawn } from 'node:child_process'
import { parseArgs } from 'node:util'

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '1000' },
    seed: { type: 'string' },
    path: { type: 'string' },
    cluster: { type: 'boolean' },
  },
})
const env: NodeJS.ProcessEnv = { ...process.env, FUZZ_SEEDS: values.seeds }
if (values.seed !== undefined) env.FUZZ_SEED = values.seed
if (values.path !== undefined) env.FUZZ_PATH = values.path
if (values.cluster) {
  env.FUZZ_CLUSTER = '1'
  env.FUZZ_SEEDS = String(Math.ceil(Number(values.seeds) / 0.15))
}
const files = values.cluster ? 'tests/fuzz/cluster' : 'tests/fuzz/'
const vitest = spawn('vitest', ['run', '--project', 'fast', files], { stdio: 'inherit', env })
vitest.on('exit', (code) => process.exit(code ?? 1))
