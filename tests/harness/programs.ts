// The server's programs as users start them: bundled, as `npm start` does, except that passwords
// are cheap. The run's set-up bundles them once and passes the folder to the workers in the
// environment.
import {
  cpSync,
  existsSync,
  globSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { bundleServer } from '../../tools/bundle-server.ts'
import { startProcess } from './processes.ts'

const root = join(import.meta.dirname, '../..')
/** Name of the environment variable with the folder of the bundle. */
const BUNDLE = 'LOCKSTEP_TEST_BUNDLE'

/** The settings of every node that tests spawn. All nodes of a run accept each other's cookies. */
export const NODE_SETTINGS = {
  NODE_ENV: 'test',
  HOST: '127.0.0.1',
  PORT: '0',
  SESSION_SECRET: 'a secret that only the tests of Lockstep know',
  REDIS_URL: undefined,
  PUBLIC_ORIGIN: undefined,
}

/**
 * The flags that `npm start` gives Node. `--max-semi-space-size`: a storm of joins would otherwise
 * let V8's space for young objects grow to about 100 MB, and V8 keeps it.
 */
export const START_FLAGS: readonly string[] = (() => {
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    scripts: { start: string }
  }
  return scripts.start.match(/ --[\w-]+=\w+/g)?.map((flag) => flag.trim()) ?? []
})()

/** A low cost, because tests sign up often and their passwords are no secrets. */
export const PASSWORD_COST = 4
const costInBundle = /\bPASSWORD_COST = \d+;/

export async function prepareBundle(): Promise<void> {
  if (process.env[BUNDLE] !== undefined) return
  const { folder, isNew } = withCheapPasswords(await bundleServer())
  process.env[BUNDLE] = folder
  if (isNew) await keepCompiledCode()
}

/**
 * Starts a node and stops it. A process keeps what it has compiled for those after it
 * (NODE_COMPILE_CACHE) when it ends in an orderly way, and most of the tests' nodes are killed. It
 * adds nothing to what an earlier process kept of the same file: an operator's command would keep
 * little of what a node needs.
 */
async function keepCompiledCode(): Promise<void> {
  const dataDir = mkdtempSync(join(tmpdir(), 'lockstep-first-start-'))
  try {
    await using node = await startProcess({
      command: process.execPath,
      args: [...START_FLAGS, programPath('main')],
      env: { ...NODE_SETTINGS, DATA_DIR: dataDir, MONGODB_URL: undefined },
    })
    await node.line(/ is at http:/, { within: 90_000 })
    node.signal('SIGTERM')
    await node.exited
  } finally {
    rmSync(dataDir, { recursive: true, force: true })
  }
}

/**
 * A copy of the bundle that hashes passwords at the tests' cost. No setting of the server lowers
 * it, so that nobody can do so in production.
 */
function withCheapPasswords(bundle: string): { folder: string; isNew: boolean } {
  const copy = join(bundle, 'for-tests')
  if (existsSync(copy)) return { folder: copy, isNew: false }
  // Another run may be making the same copy.
  const making = mkdtempSync(`${bundle}-for-tests-`)
  try {
    cpSync(bundle, making, { recursive: true })
    const files = globSync('*.js', { cwd: making }).map((name) => join(making, name))
    const [file, ...others] = files.filter((file) => costInBundle.test(readFileSync(file, 'utf8')))
    if (file === undefined || others.length > 0)
      throw new Error('The bundle must name the cost of a password once')
    const text = readFileSync(file, 'utf8')
    writeFileSync(file, text.replace(costInBundle, `PASSWORD_COST = ${PASSWORD_COST};`))
    if (!existsSync(copy)) renameSync(making, copy)
  } finally {
    rmSync(making, { recursive: true, force: true })
  }
  return { folder: copy, isNew: true }
}

/** The file to start with Node. */
export function programPath(name: 'main' | 'lockstep' | 'embedded-mongo'): string {
  const folder = process.env[BUNDLE]
  if (folder === undefined) throw new Error('The set-up of the run has not bundled the server')
  return join(folder, `${name}.js`)
}
