// The server's programs as users start them: bundled, as `npm start` does. The run's set-up bundles
// them once and passes the folder to the workers in the environment.
import { join } from 'node:path'
import { bundleServer } from '../../tools/bundle-server.ts'

/** Name of the environment variable with the folder of the bundle. */
const BUNDLE = 'LOCKSTEP_TEST_BUNDLE'

export async function prepareBundle(): Promise<void> {
  process.env[BUNDLE] ??= await bundleServer()
}

/** The file to start with Node. */
export function programPath(name: 'main' | 'lockstep' | 'embedded-mongo'): string {
  const folder = process.env[BUNDLE]
  if (folder === undefined) throw new Error('The set-up of the run has not bundled the server')
  return join(folder, `${name}.js`)
}
