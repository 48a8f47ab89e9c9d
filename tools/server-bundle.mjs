// Where the bundle of the server is and whether it is current. Each state of the sources has its
// own folder; the file that `npm start` runs imports the newest. Plain JavaScript without
// dependencies, because every start asks this on any version of Node.
import fs from 'fs'
import path from 'path'
import { fileURLToPath } from 'url'
import { contentHash } from './freshness.mjs'

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..')
const sources = ['realtime', 'protocol', 'tools/bundle-server.ts', 'package-lock.json']

/**
 * @returns `folder`: where the bundle of the present sources is, or will be. `start`: the file that
 *   `npm start` runs; it contains `startText` when the bundle is current.
 */
export function serverBundle() {
  const name = contentHash(root, sources).slice(0, 16)
  const parent = path.join(root, 'node_modules/.cache/server')
  const start = path.join(parent, 'main.mjs')
  const startText = `import './${name}/main.js'\n`
  const isCurrent = fs.existsSync(start) && fs.readFileSync(start, 'utf8') === startText
  return { folder: path.join(parent, name), start, startText, isCurrent }
}
