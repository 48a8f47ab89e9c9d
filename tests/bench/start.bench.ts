// The time from a second `npm start` to its first response, compared with an npm script that only
// responds.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'vitest'
import { startProcess } from '../harness/processes.ts'
import { row, type Rounds } from './table.ts'

const STARTS = 5
const root = new URL('../..', import.meta.url).pathname
const script = `require('http').createServer((_, res) => res.end()).listen(0, '127.0.0.1', function () { console.log('is at http://127.0.0.1:' + this.address().port) })`

test('npm start', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'lockstep-start-'))
  try {
    await writeFile(
      join(folder, 'package.json'),
      JSON.stringify({ scripts: { start: 'exec node server.cjs' } }),
    )
    await writeFile(join(folder, 'server.cjs'), script)
    const floor = () => start(folder, {})
    const second = () =>
      start(root, { DATA_DIR: join(folder, 'data'), MONGODB_URL: undefined, REDIS_URL: undefined })
    await floor()
    await second()
    const rounds = { floor: [] as number[], node: [] as number[] } satisfies Rounds
    for (let round = 0; round < STARTS; round++) {
      rounds.floor.push((await floor()) / 1_000)
      rounds.node.push((await second()) / 1_000)
    }
    row({
      what: 'second npm start, to the first answer',
      unit: 's',
      rounds,
      goal: { of: 'value', is: 'at most', limit: 0.7 },
    })
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})

/**
 * Milliseconds to the first response. The process has stopped in an orderly way before this
 * resolves.
 */
async function start(cwd: string, env: Record<string, string | undefined>): Promise<number> {
  const begun = performance.now()
  await using npm = await startProcess({
    command: 'npm',
    args: ['start', '--silent'],
    cwd,
    env: { PORT: '0', NODE_COMPILE_CACHE: undefined, ...env },
  })
  const [url] = /http:\/\/\S+/.exec(await npm.line(/is at http:/, { within: 60_000 })) ?? []
  await fetch(`${url}/healthz`)
  const took = performance.now() - begun
  // npm would leave its child running.
  const children = await readFile(`/proc/${npm.pid}/task/${npm.pid}/children`, 'utf8')
  for (const pid of children.trim().split(' ')) process.kill(Number(pid), 'SIGTERM')
  await npm.exited
  return took
}
