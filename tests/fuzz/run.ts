// npm run fuzz -- --seeds N [--only everyday|faults|clustered|typing] [--seed S [--path P]]: plays
// more random histories than the tests do, or one of them again. Of 100 histories, 80 are everyday
// ones and 20 have faults of the servers; 10 more run on three nodes. With them come 2 walks of a
// person who types in a browser; alone, all N are such walks. And with them come all other tests
// that have a long form (tests/harness/long-form.ts).
import { spawn } from 'node:child_process'
import { globSync, readFileSync } from 'node:fs'
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
const typing = 'tests/browser/typing-fuzz'
const isTyping = values.only === 'typing'
env.FUZZ_TYPING = `${Math.ceil(Number(values.seeds) * (isTyping ? 1 : 0.02))}`
const longForms = globSync('tests/**/*.test.ts').filter((file) =>
  readFileSync(file, 'utf8').includes('/long-form.ts'),
)
const others = values.only ? [] : [...longForms, typing]
const files = isTyping ? [typing] : [`tests/fuzz/${values.only}`, ...others]
const projects = ['--project', 'fast', '--project', 'browser']
const vitest = spawn('vitest', ['run', ...projects, ...files], {
  stdio: 'inherit',
  env,
})
vitest.on('exit', (code) => process.exit(code ?? 1))
