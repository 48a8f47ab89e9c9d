// The wheel of `clients/python`, as a foreign program has it: installed without an index into
// Debian's interpreter with its site packages. One Python process runs all tests of this folder
// against a node; each of them is one test here.
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startProcess, type TestProcess } from '../harness/processes.ts'
import manifest from '../../package.json' with { type: 'json' }
import { sharedNodes } from '../harness/shared-node.ts'

const run = promisify(execFile)
const PYTHON = '/usr/bin/python3'
const client = path.resolve(import.meta.dirname, '../../clients/python')
/** No setting of the machine reaches pip or Python. */
const env = { PATH: '/usr/bin:/bin', HOME: '/nonexistent', PYTHONDONTWRITEBYTECODE: '1' }

const names = ['test_rules.py', 'test_client.py', 'test_records.py'].flatMap((file) => {
  const text = readFileSync(path.join(import.meta.dirname, file), 'utf8')
  return Array.from(text.matchAll(/async def (test_\w+)/g), ([, name = '']) => name)
})
const sentenceOf = (name: string): string =>
  name
    .replace('test_', '')
    .replace(/^client_(\d)/, 'CLIENT-$1:')
    .replaceAll('_', ' ')

const shared = sharedNodes()
let folder: string
let tests: TestProcess

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'lockstep-python-'))
  const { stdout } = await run(PYTHON, [path.join(client, 'build_backend.py'), folder])
  const wheel = stdout.trim()
  // `npm test` has installed Debian's packages, and a venv without pip takes a second, not ten
  for (const page of [path.join(client, 'README.md'), path.join(client, '../../docs/python.md')]) {
    const text = await readFile(page, 'utf8')
    expect(text).toMatch(/^python3 -m venv --system-site-packages venv$/m)
    expect(text).toMatch(new RegExp(`pip install --no-index --no-deps (packed/)?${wheel}$`, 'm'))
  }
  const venv = path.join(folder, 'venv')
  await run(PYTHON, ['-m', 'venv', '--system-site-packages', '--without-pip', venv], { env })
  const python = path.join(venv, 'bin/python')
  const pip = ['-m', 'pip', '--python', python, '--disable-pip-version-check', 'install']
  const offline = ['--quiet', '--no-index', '--no-deps', '--no-compile']
  await run(PYTHON, [...pip, ...offline, path.join(folder, wheel)], { env })
  tests = await startProcess({
    command: python,
    args: [path.join(import.meta.dirname, 'run.py')],
    cwd: folder,
    env: {
      ...env,
      LOCKSTEP_ORIGIN: shared.node.url,
      LOCKSTEP_README: path.join(client, 'README.md'),
      PYTHONPATH: undefined,
    },
  })
  await tests.exited
}, 240_000)
afterAll(async () => {
  await tests?.kill()
  if (folder) await rm(folder, { recursive: true, force: true })
})

describe('lockstep-client', () => {
  it('has the version of the packages', async () => {
    const { version } = manifest
    expect(await readFile(path.join(client, 'pyproject.toml'), 'utf8')).toContain(
      `\nversion = "${version}"\n`,
    )
    const module = await readFile(path.join(client, 'lockstep_client/__init__.py'), 'utf8')
    expect(module).toContain(`\n__version__ = "${version}"\n`)
  })

  const found = new Map(names.map((name) => [sentenceOf(name), name]))

  it.each([...found.keys()])('%s', (sentence) => {
    const line = tests.output.find((line) => line.startsWith(`{"name": "${found.get(sentence)}"`))
    if (line === undefined) throw new Error(`No result:\n${tests.output.join('\n')}`)
    const { fault } = JSON.parse(line) as { fault: string }
    expect(fault).toBe('')
  })

  it('has types that the strict checker accepts, in its tests and in its README too', async () => {
    const page = await readFile(path.join(client, 'README.md'), 'utf8')
    const programs = Array.from(page.matchAll(/```python\n([\s\S]*?)```/g), ([, code = '']) => code)
    const config = path.join(client, 'pyproject.toml')
    // nobody asks again, so a cache would only take time
    const args = ['--config-file', config, '--no-incremental', '--cache-dir', '/dev/null']
    const files = ['run', 'support', 'proxy', 'test_client', 'test_records', 'test_rules']
    const checked = [
      path.join(client, 'lockstep_client'),
      path.join(client, 'build_backend.py'),
      ...files.map((name) => path.join(import.meta.dirname, `${name}.py`)),
    ]
    for (const [index, code] of programs.entries()) {
      checked.push(path.join(folder, `readme_${index}.py`))
      await writeFile(checked.at(-1)!, code)
    }
    const { stdout } = await run('/usr/bin/mypy', [...args, ...checked], {
      env: { ...env, MYPYPATH: client },
    })
    expect(stdout).toMatch(/^Success: /)
  }, 240_000)
})
