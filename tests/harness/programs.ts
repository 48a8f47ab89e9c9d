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
import { join } from 'node:path'
import { bundleServer } from '../../tools/bundle-server.ts'

/** Name of the environment variable with the folder of the bundle. */
const BUNDLE = 'LOCKSTEP_TEST_BUNDLE'

/** A low cost, because tests sign up often and their passwords are no secrets. */
export const PASSWORD_COST = 4
const costInBundle = /\bPASSWORD_COST = \d+;/

export async function prepareBundle(): Promise<void> {
  process.env[BUNDLE] ??= withCheapPasswords(await bundleServer())
}

/**
 * A copy of the bundle that hashes passwords at the tests' cost. No setting of the server lowers
 * it, so that nobody can do so in production.
 */
function withCheapPasswords(bundle: string): string {
  const copy = join(bundle, 'for-tests')
  if (existsSync(copy)) return copy
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
  return copy
}

/** The file to start with Node. */
export function programPath(name: 'main' | 'lockstep' | 'embedded-mongo'): string {
  const folder = process.env[BUNDLE]
  if (folder === undefined) throw new Error('The set-up of the run has not bundled the server')
  return join(folder, `${name}.js`)
}
